package optout_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// said is one command of a random history, as the oracle knows it.
type said struct {
	id     string
	change *optout.Change
	tie    []string
	at     int64
}

var everyone = []string{ada, adaB, adaP, other, "bsuid:GB.4", "phone:447700900005"}

func drawSaid(t *rapid.T, i int) said {
	s := said{id: fmt.Sprintf("r%d", i), at: rapid.Int64Range(1, 6).Draw(t, "at")}
	who := rapid.SliceOfNDistinct(rapid.SampledFrom(everyone), 1, 3, rapid.ID).Draw(t, "who")
	if len(who) > 1 && rapid.IntRange(0, 3).Draw(t, "tie") == 0 {
		s.tie = who
		return s
	}
	c := typed(rapid.IntRange(0, 2).Draw(t, "in") > 0, s.at, "", who...)
	c.Marks, c.Confirm.Texts = nil, nil
	for _, list := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"default", "promo"}), 1, 2, rapid.ID).Draw(t, "lists") {
		c.Marks = append(c.Marks, optout.Mark{
			List: list, Channel: rapid.SampledFrom([]string{"wa", "*"}).Draw(t, "channel"), At: s.at,
			Source: rapid.SampledFrom([]string{"message", "api"}).Draw(t, "source"), Rule: rapid.SampledFrom([]string{"stop", ""}).Draw(t, "rule"),
		})
		c.Confirm.Texts = append(c.Confirm.Texts, optout.Text{List: list, Body: list})
	}
	c.Linked = len(who) > 1 && rapid.Bool().Draw(t, "linked")
	if rapid.IntRange(0, 3).Draw(t, "silent") == 0 {
		c.Confirm = nil
	}
	s.change = &c
	return s
}

// component gives everyone that the ties of a history connect with one identifier, itself included.
func component(history []said, id string) []string {
	reached := []string{id}
	for i := 0; i < len(reached); i++ {
		for _, s := range history {
			tied := s.tie
			if s.change != nil && s.change.Linked {
				tied = names(s.change.Who)
			}
			if !slices.Contains(tied, reached[i]) {
				continue
			}
			for _, next := range tied {
				if !slices.Contains(reached, next) {
					reached = append(reached, next)
				}
			}
		}
	}
	return reached
}

func names(who []optout.Ref) (ids []string) {
	for _, r := range who {
		ids = append(ids, string(r.ID))
	}
	return ids
}

// want says what an entry must be in the end: the latest of the opt-outs in all that is linked, the latest opt-in that
// showed the identifier itself.
func want(history []said, id, list, channel string) (out optout.Mark, in int64) {
	linked := component(history, id)
	for _, s := range history {
		if s.change == nil {
			continue
		}
		for _, m := range s.change.Marks {
			if m.List != list || m.Channel != channel {
				continue
			}
			if s.change.Out && slices.ContainsFunc(names(s.change.Who), func(n string) bool { return slices.Contains(linked, n) }) &&
				cmp.Or(cmp.Compare(m.At, out.At), cmp.Compare(m.Source, out.Source), cmp.Compare(m.Rule, out.Rule)) > 0 {
				out = m
			}
			if !s.change.Out && slices.Contains(names(s.change.Who), id) {
				in = max(in, m.At)
			}
		}
	}
	return out, in
}

// TestEveryOrderEndsAlike holds that random commands with links, appended and folded in any order over several shards,
// some twice, with owners that die before their decision, end in the entries that the oracle computes from all commands;
// that the ledger has no break; and that exactly one confirmation goes out per command that changed what it showed.
func TestEveryOrderEndsAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, chat.Shards(rapid.IntRange(1, 4).Draw(t, "shards")))
		var history []said
		for i := range rapid.IntRange(1, 9).Draw(t, "commands") {
			history = append(history, drawSaid(t, i))
		}
		order := rapid.Permutation(append(slices.Clone(history), history[:len(history)/2]...)).Draw(t, "order")
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
			if s := order[0]; s.change != nil {
				w.change(s.id, *s.change)
			} else {
				w.tie(s.id, s.at, s.tie...)
			}
			order = order[1:]
		}
		for _, id := range everyone {
			checkEntries(t, w, history, id)
		}
		checkConfirmations(t, w, history)
		checkEvents(t, w)
	})
}

// checkEvents holds that each change was told under an id of its own, the same in every repeat.
func checkEvents(t *rapid.T, w *world) {
	type change struct {
		shard int
		row   int64
	}
	told := map[string]change{}
	for _, e := range w.events {
		c := change{e.Shard, e.Row}
		if before, again := told[e.ID]; again && before != c {
			t.Fatalf("event %s tells of %+v and of %+v", e.ID, before, c)
		}
		told[e.ID] = c
	}
	changes := 0
	for s := range w.ledger {
		changes += len(w.ledger[s])
	}
	if len(told) != changes {
		t.Fatalf("%d changes, %d told", changes, len(told))
	}
}

func checkEntries(t *rapid.T, w *world, history []said, id string) {
	for _, list := range []string{"default", "promo"} {
		for _, channel := range []string{"wa", "*"} {
			out, in := want(history, id, list, channel)
			e := w.entry(id, list, channel)
			if e.Out != out.At || e.Source != out.Source || e.Rule != out.Rule || e.In != in {
				t.Fatalf("%s on %s/%s: %+v; want %+v and in %d", id, list, channel, e, out, in)
			}
			barred, prev := false, int64(optout.NoRow)
			for offset, row := range w.ledger[w.shards.Of(ref(id).P)] {
				if row.Pseudonym != ref(id).P || row.List != list || row.Channel != channel {
					continue
				}
				if row.Prev != prev || (row.From == optout.StandingOut) != barred || row.From == row.To {
					t.Fatalf("%s on %s/%s: row %d breaks the chain: %+v", id, list, channel, offset, row)
				}
				barred, prev = !barred, int64(offset)
			}
			if barred != e.Barred() || prev != e.Row && e != (optout.Entry{}) {
				t.Fatalf("%s on %s/%s: the ledger ends at %d with barred=%v, the entry is %+v", id, list, channel, prev, barred, e)
			}
		}
	}
}

func checkConfirmations(t *rapid.T, w *world, history []said) {
	due := map[string]said{}
	for _, s := range history {
		if s.change == nil || s.change.Confirm == nil {
			continue
		}
		to := map[bool]string{true: optout.StandingOut, false: optout.StandingIn}[s.change.Out]
		for _, id := range names(s.change.Who) {
			for _, row := range w.rows(id) {
				if row.Root == s.id && row.To == to && slices.ContainsFunc(s.change.Confirm.Texts, func(x optout.Text) bool { return x.List == row.List }) {
					due["c/"+s.id] = s
				}
			}
		}
	}
	sent := w.messages()
	for _, m := range sent {
		s, ok := due[m.ID]
		if !ok || m.To != s.change.Who[0].ID {
			t.Fatalf("message %+v is due to nobody", m)
		}
	}
	if len(sent) != len(due) {
		t.Fatalf("%d messages, %d due", len(sent), len(due))
	}
}
