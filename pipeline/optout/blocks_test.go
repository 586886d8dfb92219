package optout_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// block appends a block of one identifier, or its lift.
func (w *world) block(id, who string, out bool, at int64) {
	w.t.Helper()
	mark := optout.Mark{List: gate.Blacklist, Channel: "wa", At: at, Source: optout.SourceAPI}
	if out {
		mark.Note, mark.By = "abuse", "ops"
	}
	r, err := optout.Edit{Edits: []optout.PersonEdit{{Who: ref(who), Out: out, Marks: []optout.Mark{mark}}}}.Record(w.shards, id, "acme", 1_000_000)
	if err != nil {
		w.t.Fatalf("block %s: %v", id, err)
	}
	w.append(r)
}

// TestBlocksAndTheirLiftsReachEveryIdentifierInAnyOrder holds that whatever is linked, before or after, is blocked since the
// latest block of any of it and let through since the latest lift, in every order of commands, repeats and crashes; that it is
// told to nobody; and that the ledger proves each change.
func TestBlocksAndTheirLiftsReachEveryIdentifierInAnyOrder(t *testing.T) {
	type step struct {
		id, who string
		out     bool
		at      int64
		tie     []string
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, chat.Shards(rapid.IntRange(1, 4).Draw(t, "shards")))
		var steps []step
		var history []said
		for i := range rapid.IntRange(1, 9).Draw(t, "steps") {
			s := step{id: fmt.Sprintf("b%d", i), at: rapid.Int64Range(1, 6).Draw(t, "at")}
			if rapid.IntRange(0, 2).Draw(t, "tie") == 0 {
				s.tie = rapid.SliceOfNDistinct(rapid.SampledFrom(everyone), 2, 3, rapid.ID).Draw(t, "tied")
				history = append(history, said{id: s.id, tie: s.tie})
			} else {
				s.who, s.out = rapid.SampledFrom(everyone).Draw(t, "who"), rapid.Bool().Draw(t, "out")
			}
			steps = append(steps, s)
		}
		order := rapid.Permutation(append(slices.Clone(steps), steps[:len(steps)/2]...)).Draw(t, "order")
		for len(order) > 0 || len(w.pending()) > 0 {
			pending := w.pending()
			if n := rapid.IntRange(0, len(pending)).Draw(t, "next"); n < len(pending) {
				w.step(pending[n], rapid.IntRange(0, 4).Draw(t, "crash") == 0)
				continue
			}
			if len(order) == 0 {
				w.step(pending[0], false)
				continue
			}
			if s := order[0]; s.tie != nil {
				w.tie(s.id, s.at, s.tie...)
			} else {
				w.block(s.id, s.who, s.out, s.at)
			}
			order = order[1:]
		}
		for _, id := range everyone {
			var out, in int64
			for _, s := range steps {
				if s.tie == nil && slices.Contains(component(history, id), s.who) {
					if s.out {
						out = max(out, s.at)
					} else {
						in = max(in, s.at)
					}
				}
			}
			e := w.entry(id, gate.Blacklist, "wa")
			if e.Out != out || e.In != in || out > 0 && (e.Note != "abuse" || e.By != "ops") {
				t.Fatalf("%s: %+v, not out %d in %d", id, e, out, in)
			}
			rows := w.rows(id)
			if barred := len(rows) > 0 && rows[len(rows)-1].To == optout.StandingOut; barred != e.Barred() {
				t.Fatalf("%s: the ledger ends otherwise than %+v: %+v", id, e, rows)
			}
		}
		if len(w.events)+len(w.out)+len(w.offers) > 0 {
			t.Fatalf("a block was told: %d events, %d messages, %d offers", len(w.events), len(w.out), len(w.offers))
		}
	})
}

func TestNothingButTheAPILiftsABlock(t *testing.T) {
	w := newWorld(t, 2)
	w.block("b", ada, true, 10)
	w.change("start", typed(false, 20, "default", ada))
	w.settle()
	if e := w.entry(ada, gate.Blacklist, "wa"); !e.Barred() {
		t.Errorf("START lifted a block: %+v", e)
	}
	travel, err := shard.NewCommand("t", optout.CommandTravel, "acme", 1, optout.Travel{
		To: ref(ada), In: true, Path: []chat.Pseudonym{1}, Marks: []optout.Mark{{List: "default", Channel: "wa", At: 30}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rule := optout.Rules()[optout.CommandTravel]
	if _, err := rule.Keys(shard.Place{Shards: 2, Shard: w.shards.Of(ref(ada).P)}, travel); err == nil {
		t.Error("an opt-in of a list travels")
	}
}

func TestAnAccountKnowsThatItHasABlacklist(t *testing.T) {
	const shards = chat.Shards(3)
	declare, err := optout.NewAccount(shards, "d", "acme", 1, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, shards)
	w.append(declare)
	for range 2 {
		c, err := optout.NewBlocks("n", "acme", 2)
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Record(shards.Account("acme"))
		if err != nil {
			t.Fatal(err)
		}
		w.append(r)
	}
	w.settle()
	l, err := optout.NewLexicon(w.states[shards.Account("acme")][optout.AccountKey("acme")])
	if err != nil || !l.Account.Blocks {
		t.Errorf("%+v %v", l, err)
	}
	if _, listed := l.Account.List(gate.Blacklist); listed {
		t.Error("the blacklist is among the lists")
	}
	c, err := optout.NewBlocks("n", "acme", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := optout.Rules()[optout.CommandBlocks].Keys(shard.Place{Shards: shards, Shard: (shards.Account("acme") + 1) % 3}, c); err == nil {
		t.Error("it is decided in any shard")
	}
}

func TestNoListTakesTheIDOfTheBlacklist(t *testing.T) {
	const shards = chat.Shards(1)
	w := newWorld(t, shards)
	declare, err := optout.NewAccount(shards, "d", "acme", 1, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := shard.NewCommand("l", optout.CommandListCreate, "acme", 2, optout.ListCreate{Fields: optout.ListPatch{Name: optout.Said[string]{Given: true, Value: "Blacklist"}}})
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.Record(0)
	if err != nil {
		t.Fatal(err)
	}
	w.append(declare, made)
	w.settle()
	l, err := optout.NewLexicon(w.states[0][optout.AccountKey("acme")])
	if err != nil {
		t.Fatal(err)
	}
	if _, has := l.Account.List("blacklist-2"); !has || len(l.Account.Lists) != 3 {
		t.Errorf("%+v", l.Account.Lists)
	}
	command := shard.Command{ID: "e", Kind: optout.CommandListEmpty, Account: "acme", Body: []byte(`{"list":"blacklist","who":[1]}`)}
	if _, err := optout.Rules()[optout.CommandListEmpty].Keys(shard.Place{Shards: shards}, command); err == nil {
		t.Error("the blacklist can be emptied like a deleted list")
	}
}
