package optout_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// posts gives what is to be posted, each delivery once, as "identifier list out|in".
func (w *world) posts() (all []string) {
	seen := map[string]bool{}
	for _, o := range w.offers {
		if seen[o.ID] {
			continue
		}
		seen[o.ID] = true
		way := "in"
		if o.Out {
			way = "out"
		}
		all = append(all, string(o.Who)+" "+o.List+" "+way)
	}
	slices.Sort(all)
	return all
}

// fed is a typed change whose list has a webhook URL.
func fed(out bool, at int64, list string, ids ...string) optout.Change {
	c := typed(out, at, list, ids...)
	c.Marks[0].Feed = true
	return c
}

func wantPosts(t fataler, w *world, want ...string) {
	t.Helper()
	if got := w.posts(); !slices.Equal(got, want) {
		t.Fatalf("posts %q, want %q", got, want)
	}
}

const (
	phone = "phone:447700900001"
	bsuid = "bsuid:GB.1"
	older = "phone:447700900002"
)

func TestAChangeThatShowsTwoIdentifiersIsPostedOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, 4)
		w.change("stop", fed(true, 100, "news", phone, bsuid))
		for n := 0; len(w.pending()) > 0; n++ {
			at := rapid.SampledFrom(w.pending()).Draw(rt, "shard")
			w.step(at, n < 20 && rapid.Bool().Draw(rt, "crashed"))
		}
		wantPosts(rt, w, phone+" news out")
	})
}

func TestWhomALinkLeadsToIsPostedToo(t *testing.T) {
	w := newWorld(t, 4)
	w.change("first", typed(false, 1, "other", older, bsuid)) // links them
	w.settle()
	w.change("stop", fed(true, 100, "news", bsuid))
	w.settle()
	wantPosts(t, w, bsuid+" news out", older+" news out")
}

func TestABSUIDIsNotPostedBesideItsPhone(t *testing.T) {
	w := newWorld(t, 4)
	w.tie("tie", 1, phone, bsuid)
	w.settle()
	w.change("stop", fed(true, 100, "news", phone))
	w.settle()
	wantPosts(t, w, phone+" news out")
}

func TestNobodyIsPostedWithoutAClearIdentifier(t *testing.T) {
	w := newWorld(t, 4)
	c := fed(true, 100, "news", phone)
	c.Who[0].ID, c.Confirm = "", nil
	w.change("stop", c)
	w.settle()
	wantPosts(t, w)
}

func TestOnlyWhatChangesAndOnlyWhereTheListAsksIsPosted(t *testing.T) {
	w := newWorld(t, 2)
	w.change("stop", fed(true, 100, "news", phone))
	w.change("stop", fed(true, 100, "news", phone)) // redelivered
	w.change("later", fed(true, 200, "news", phone))
	w.settle()
	wantPosts(t, w, phone+" news out")
	w.change("start", fed(false, 300, "news", phone))
	w.change("quiet", typed(true, 400, "news", phone)) // the list had no URL by then
	w.settle()
	wantPosts(t, w, phone+" news in", phone+" news out")
}

func TestEachPersonOfAnEditIsPosted(t *testing.T) {
	w := newWorld(t, 1)
	var e optout.Edit
	for _, id := range []string{phone, older, bsuid} {
		e.Edits = append(e.Edits, optout.PersonEdit{Who: ref(id), Out: true, Marks: []optout.Mark{
			{List: "news", Channel: "*", At: 5, Source: optout.SourceImport, Feed: id != older},
			{List: "shop", Channel: "wa", At: 5, Source: optout.SourceImport, Feed: true},
		}})
	}
	r, err := e.Record(w.shards, "edit", "acme", 5)
	if err != nil {
		t.Fatal(err)
	}
	w.append(r)
	w.settle()
	wantPosts(t, w, bsuid+" news out", bsuid+" shop out", phone+" news out", phone+" shop out", older+" shop out")
}

func TestADeliverysIDNamesItsShard(t *testing.T) {
	for id, want := range map[string]int{
		optout.DeliveryID(0, "a"): 0, optout.DeliveryID(63, "a", "b"): 63, "": -1, "fd-1": -1, "fd--1-": -1, "fd-01-" + strings.Repeat("a", 24): -1,
		"fd-1-" + strings.Repeat("g", 24): -1, "fd-1-" + strings.Repeat("a", 25): -1, "xx-1-" + strings.Repeat("a", 24): -1,
	} {
		at, err := optout.DeliveryShard(id)
		if (err == nil) != (want >= 0) || err == nil && at != want {
			t.Errorf("%q: shard %d, %v", id, at, err)
		}
	}
	if optout.DeliveryID(1, "ab", "c") == optout.DeliveryID(1, "a", "bc") {
		t.Error("two changes share an id")
	}
}

func TestAFeedsSecretTurnsAndItsFormerOneSignsForADay(t *testing.T) {
	l, key := optout.List{ID: "news"}, chat.Key("0123456789abcdef")
	first := l.FeedSecrets(key, time.UnixMilli(0))
	l.Secret, l.SecretAt = 1, 1000
	both := l.FeedSecrets(key, time.UnixMilli(1000).Add(optout.FormerSecretTime-1))
	then := l.FeedSecrets(key, time.UnixMilli(1000).Add(optout.FormerSecretTime))
	if len(first) != 1 || len(both) != 2 || both[1] != first[0] || len(then) != 1 || then[0] != both[0] || then[0] == first[0] {
		t.Errorf("%q, %q, %q", first, both, then)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(first[0], "whsec_"))
	if err != nil || len(raw) != 24 {
		t.Errorf("%q: %v", first[0], err)
	}
	if optout.FeedSecret(key, "news", 0) == optout.FeedSecret(chat.Key("another key of 16"), "news", 0) || optout.FeedSecret(key, "news", 0) == optout.FeedSecret(key, "shop", 0) {
		t.Error("two feeds share a secret")
	}
}

func TestARepeatedCommandTurnsASecretOnce(t *testing.T) {
	w := newWorld(t, 1)
	declared, err := optout.NewAccount(w.shards, "d", "acme", 1, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.append(declared)
	for _, id := range []string{"turn", "turn", "missing"} {
		list := "default"
		if id == "missing" {
			list = "none"
		}
		r, err := optout.NewSecret{List: list}.Record(w.shards, id, "acme", 77)
		if err != nil {
			t.Fatal(err)
		}
		w.append(r)
	}
	w.settle()
	var a optout.Account
	if err := json.Unmarshal(w.states[0][optout.AccountKey("acme")], &a); err != nil {
		t.Fatal(err)
	}
	l, _ := a.List("default")
	if l.Secret != 1 || l.SecretAt != 77 {
		t.Errorf("turned %d times, at %d", l.Secret, l.SecretAt)
	}
	if answer := string(w.states[0]["answer/missing"]); !strings.Contains(answer, optout.CodeUnknownList) {
		t.Error(answer)
	}
}
