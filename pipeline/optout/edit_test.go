package optout_test

import (
	"encoding/json"
	"testing"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

func (w *world) edit(id string, e optout.Edit) {
	w.t.Helper()
	r, err := e.Record(w.shards, id, "acme", 1_000_000)
	if err != nil {
		w.t.Fatalf("edit %s: %v", id, err)
	}
	w.append(r)
}

// said gives what an edit was answered.
func (w *world) said(id string, like string) (answer optout.EditAnswer) {
	w.t.Helper()
	var a struct{ Value json.RawMessage }
	raw := w.states[w.shards.Of(ref(like).P)][shard.AnswerKey(id)]
	if err := json.Unmarshal(raw, &a); err != nil {
		w.t.Fatalf("answer to %s: %v", id, err)
	}
	if err := json.Unmarshal(a.Value, &answer); err != nil {
		w.t.Fatalf("answer to %s: %v", id, err)
	}
	return answer
}

func mark(list string, at int64) optout.Mark {
	return optout.Mark{List: list, Channel: "wa", At: at, Source: optout.SourceAPI}
}

func TestAnEditCountsWhatChangedAndShowsWhatStands(t *testing.T) {
	w := newWorld(t, 1)
	w.change("stop", typed(true, 1_000, "default", ada))
	w.edit("e", optout.Edit{Answer: true, Show: true, Edits: []optout.PersonEdit{
		{Who: ref(ada), Marks: []optout.Mark{mark("default", 2_000), mark("promo", 2_000)}},
		{Who: ref(adaB), Out: true, Marks: []optout.Mark{mark("default", 3_000)}},
	}})
	w.settle()
	got := w.said("e", ada)
	if len(got.Changed) != 2 || got.Changed[0] != 1 || got.Changed[1] != 1 || len(got.Entries) != 2 {
		t.Fatalf("%+v", got)
	}
	if e := got.Entries[0]; len(e) != 2 || e[0].Barred() || e[0].In != 2_000 || e[1].In != 2_000 {
		t.Errorf("lifted: %+v", e)
	}
	if e := got.Entries[1][0]; !e.Barred() || e.Out != 3_000 || e.Source != "api" {
		t.Errorf("added: %+v", e)
	}
}

// Else a request that is repeated under its key would be answered otherwise than the first time.
func TestAnEditThatSomebodyWaitsForIsDecidedOnce(t *testing.T) {
	w := newWorld(t, 1)
	out := optout.Edit{Answer: true, Edits: []optout.PersonEdit{{Who: ref(ada), Out: true, Marks: []optout.Mark{mark("default", 1_000)}}}}
	w.edit("e", out)
	w.settle()
	w.change("start", typed(false, 2_000, "default", ada))
	out.Edits[0].Marks[0].At = 3_000 // made by another process, at another time
	w.edit("e", out)
	w.settle()
	if got := w.said("e", ada); got.Changed[0] != 1 {
		t.Errorf("%+v", got)
	}
	if e := w.entry(ada, "default", "wa"); e.Barred() || e.Out != 1_000 {
		t.Errorf("folded again: %+v", e)
	}
}

func TestALiftLeavesNothingBehindWhereNothingBars(t *testing.T) {
	w := newWorld(t, 1)
	w.edit("e", optout.Edit{Answer: true, Show: true, Edits: []optout.PersonEdit{
		{Who: optout.Ref{P: ref(ada).P}, Lifts: true, Marks: []optout.Mark{mark("default", 1_000)}},
	}})
	w.settle()
	if got := w.said("e", ada); got.Changed[0] != 0 || got.Entries[0][0].Barred() {
		t.Errorf("%+v", got)
	}
	if p := w.person(ada); len(p.Entries) > 0 || p.V != 0 {
		t.Errorf("%+v", p)
	}
}

func TestAnEntryKnowsTheLinkItCameBy(t *testing.T) {
	w := newWorld(t, 2)
	w.tie("tie", 500, ada, adaB)
	w.change("stop", typed(true, 1_000, "default", ada))
	w.settle()
	if e := w.entry(adaB, "default", "wa"); !e.Barred() || e.Via != ref(ada).P {
		t.Errorf("by a link: %+v", e)
	}
	if e := w.entry(ada, "default", "wa"); e.Via != 0 {
		t.Errorf("said: %+v", e)
	}
	w.change("stop again", typed(true, 1_000, "default", adaB)) // the same message shows both; the travel came first
	w.settle()
	if e := w.entry(adaB, "default", "wa"); !e.Barred() || e.Via != 0 {
		t.Errorf("said too: %+v", e)
	}
	if n := len(w.rows(adaB)); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestAKeyIsBoundToWhatWasAskedFirst(t *testing.T) {
	w := newWorld(t, 2)
	for _, asked := range []string{"this", "that"} {
		r, err := optout.Once{Asked: asked}.Record(w.shards, "k", "acme", 1)
		if err != nil {
			t.Fatal(err)
		}
		w.append(r)
	}
	w.settle()
	var a shard.Answer
	if err := json.Unmarshal(w.states[optout.OnceShard(w.shards, "acme", "k")][shard.AnswerKey("k")], &a); err != nil || a.Value != "this" || !a.OK {
		t.Errorf("%+v, %v", a, err)
	}
}
