package media_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/media"
	"optgate/pipeline/shard"
)

func (w *world) expect(when string, want map[string]int) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.families()); diff != "" {
		w.t.Errorf("%s: %s", when, diff)
	}
}

func TestAFileComesAndGoes(t *testing.T) {
	w := newWorld(t)
	if a := w.add("f1", "b1", "hello"); !a.OK {
		t.Fatal(a)
	}
	w.expect("added", map[string]int{"media": 1, "library": 1})
	if len(w.gone) != 0 {
		t.Error("chunks of a file that is there got tombstones")
	}
	if a := w.say(media.NewDelete("d1", "acme", "f1", noon)); !a.OK {
		t.Fatal(a)
	}
	w.expect("deleted", map[string]int{"library": 1})
	if !w.gone["acme/b1/0"] || !w.gone["acme/b1/100"] {
		t.Error("its chunks stay")
	}
	if a := w.say(media.NewDelete("d2", "acme", "f1", noon)); a.OK || a.Code != media.CodeNotFound {
		t.Error(a)
	}
	if got := string(w.states["library/acme"]); !strings.Contains(got, `"files":0,"bytes":0`) {
		t.Error(got)
	}
}

func TestTheSameBytesAreOneFile(t *testing.T) {
	w := newWorld(t)
	w.add("f1", "b1", "hello")
	a := w.add("f1", "b2", "hello")
	raw, err := json.Marshal(a.Value)
	if err != nil || !a.OK || !strings.Contains(string(raw), `"existed":true`) || !strings.Contains(string(raw), `"blob":"b1"`) {
		t.Errorf("%+v", a)
	}
	if !w.gone["acme/b2/0"] || w.gone["acme/b1/0"] {
		t.Error("the second copy's chunks go, the first's stay")
	}
	w.expect("twice", map[string]int{"media": 1, "library": 1})
}

// TestWhatNeverCameToItsEndIsSwept kills whoever takes a file in between two chunks.
func TestWhatNeverCameToItsEndIsSwept(t *testing.T) {
	w := newWorld(t)
	w.say(media.NewBegin("begin", "acme", "b1", noon))
	c, err := media.Write(t.Context(), shards, w, "acme", "b1", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	w.expect("on its way", map[string]int{"upload": 1})
	w.say(media.NewDrop("drop", "acme", "b1", noon))
	w.expect("swept", map[string]int{})
	if !w.gone["acme/b1/0"] {
		t.Error("its chunks stay")
	}
	clear(w.gone)
	if a := w.say(media.NewAdd("late", "acme", "f1", "", c, noon)); a.OK || a.Code != media.CodeLate || !w.gone["acme/b1/0"] {
		t.Errorf("%+v: a file that was swept came all the same", a)
	}
	w.add("f2", "b2", "there")
	clear(w.gone)
	w.say(media.NewDrop("drop2", "acme", "b2", noon))
	if len(w.gone) > 0 {
		t.Error("a file that has come was swept")
	}
	w.expect("at the end", map[string]int{"media": 1, "library": 1})
}

func TestARepeatedCommandChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.say(media.NewBegin("begin", "acme", "b1", noon))
	c, err := media.Write(t.Context(), shards, w, "acme", "b1", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	w.say(media.NewAdd("add", "acme", "f1", "n", c, noon))
	if a := w.say(media.NewAdd("add", "acme", "f1", "n", c, noon)); !a.OK || len(w.gone) > 0 {
		t.Errorf("%+v, %d tombstones", a, len(w.gone))
	}
}

func TestALibraryIsFull(t *testing.T) {
	w := newWorld(t)
	w.states["library/acme"] = []byte(`{"v":1,"files":10000,"bytes":1}`)
	if a := w.add("f1", "b1", "hello"); a.OK || a.Code != media.CodeFull || !w.gone["acme/b1/0"] {
		t.Errorf("%+v", a)
	}
	w.states["library/acme"] = []byte(`{"v":1,"files":1,"bytes":21474836477}`)
	if a := w.add("f1", "b1", "hello"); a.OK || a.Code != media.CodeFull {
		t.Errorf("%+v", a)
	}
}

func TestACommandInAnotherShardIsNotUnderstood(t *testing.T) {
	c, err := media.NewDelete("d", "acme", "f1", noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rules[c.Kind].Keys(shard.Place{Shards: shards, Shard: (shards.Account("acme") + 1) % int(shards)}, c); err == nil {
		t.Error("understood")
	}
	if c, err = media.NewDrop("d", "acme", "x/y", noon); err != nil {
		t.Fatal(err)
	}
	if _, err := rules[c.Kind].Keys(shard.Place{Shards: shards, Shard: shards.Account("acme")}, c); err == nil {
		t.Error("a name with a slash")
	}
}

// ids gives Meta's ids that the states still hold of what is gone.
func (w *world) ids() (all []string) {
	for key, raw := range w.states {
		var c media.Copies
		if shard.Family(key) == "copies" && json.Unmarshal(raw, &c) == nil {
			for id := range c.Uploads {
				all = append(all, id)
			}
		}
	}
	slices.Sort(all)
	return all
}

// copies gives the states of what Meta still has.
func (w *world) copies() (all []media.Copies) {
	for key, raw := range w.states {
		var c media.Copies
		if shard.Family(key) == "copies" && json.Unmarshal(raw, &c) == nil {
			all = append(all, c)
		}
	}
	return all
}
