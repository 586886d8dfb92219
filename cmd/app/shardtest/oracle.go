package shardtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Findings counts what the oracle found wrong.
type Findings struct {
	Entries       int // entries whose times aren't what all commands together say, in the log or in the view
	Links         int
	Memberships   int // people whom the gate would treat otherwise than their entry says
	Ledger        int // rows that the fold of the commands doesn't give, or that are missing
	Doubled       int // rows written twice
	Broken        int // rows that don't follow the one before
	Chains        int // rows whose chain isn't that of all rows before them, and cursors that know another
	Confirmations int // missing, stray, or in two places under one id
	Travels       int // missing
	Allowed       int // "go" while an opt-out was in force
}

// None says that nothing is wrong.
func (f Findings) None() bool { return f == Findings{} }

// wanted is what an identifier's entry on a list must be, whatever the order of the commands was.
type wanted struct{ out, in int64 }

type listed struct {
	who  chat.Pseudonym
	list string
}

// compare holds everything kept against what all commands say.
func (w *world) compare(ctx context.Context, t *testing.T) Findings {
	t.Helper()
	var f Findings
	entries, links := w.orderFree()
	view, log := map[chat.Pseudonym]optout.Person{}, map[chat.Pseudonym]optout.Person{}
	rows := map[chat.Pseudonym][]placed{}
	due, got := newEffects(), newEffects()
	for s := range int(shards) {
		w.replay(ctx, t, s, log)
		w.look(ctx, t, s, links, view)
		w.refold(ctx, t, s, &f, rows, due)
		f.Chains += w.prove(ctx, t, s)
		for _, r := range w.all(ctx, t, stream.Commands, s) {
			got.note(r)
		}
	}
	for p := range shards.Lanes() {
		for _, r := range w.all(ctx, t, stream.OutboundReplies, p) {
			got.note(r)
		}
	}
	for who, others := range links {
		for _, p := range []optout.Person{view[who], log[who]} {
			if len(p.Links) != len(others) || slices.ContainsFunc(p.Links, func(l optout.Link) bool { return !others[l.P] }) {
				f.Links++
			}
			for _, list := range []string{"default", "news"} {
				want := entries[listed{who, list}]
				at := slices.IndexFunc(p.Entries, func(e optout.Entry) bool { return e.List == list })
				var have optout.Entry
				if at >= 0 {
					have = p.Entries[at]
				}
				if have.Out != want.out || have.In != want.in {
					f.Entries++
				}
			}
		}
		want := entries[listed{who, "default"}]
		if (w.certain(ctx, who) == gate.Skip) != (want.out > 0 && want.out >= want.in) {
			f.Memberships++
		}
	}
	due.compare(got, &f)
	f.Allowed = w.wronglyAllowed(rows)
	return f
}

// certain asks the gate until it knows.
func (w *world) certain(ctx context.Context, who chat.Pseudonym) gate.Verdict {
	question := []gate.Question{{Account: account, Channel: "wa", Pseudonym: who, Lists: []string{gate.DefaultList}}}
	for {
		answer := w.stores[0].Ask(ctx, question)[0]
		if answer.Verdict != gate.Unknown || !pause(ctx, 10*time.Millisecond) {
			return answer.Verdict
		}
	}
}

// orderFree computes entries and links from what was said, without any order: an opt-out reaches everyone connected by
// links, an opt-in whom it shows.
func (w *world) orderFree() (map[listed]wanted, map[chat.Pseudonym]map[chat.Pseudonym]bool) {
	links := map[chat.Pseudonym]map[chat.Pseudonym]bool{}
	own := map[listed]wanted{}
	for _, s := range w.sent.all {
		for _, who := range s.who {
			if links[who.P] == nil {
				links[who.P] = map[chat.Pseudonym]bool{}
			}
			for _, other := range s.who {
				if other.P != who.P {
					links[who.P][other.P] = true
				}
			}
			for _, m := range s.marks {
				k := listed{who.P, m.List}
				e := own[k]
				if s.out {
					e.out = max(e.out, m.At)
				} else {
					e.in = max(e.in, m.At)
				}
				own[k] = e
			}
		}
	}
	all := map[listed]wanted{}
	for who := range links {
		seen, next := map[chat.Pseudonym]bool{who: true}, []chat.Pseudonym{who}
		for len(next) > 0 {
			at := next[0]
			next = next[1:]
			for other := range links[at] {
				if !seen[other] {
					seen[other] = true
					next = append(next, other)
				}
			}
			for _, list := range []string{"default", "news"} {
				e := all[listed{who, list}]
				e.out, e.in = max(e.out, own[listed{at, list}].out), own[listed{who, list}].in
				all[listed{who, list}] = e
			}
		}
	}
	return all, links
}

// all reads a partition from its beginning to its end.
func (w *world) all(ctx context.Context, t *testing.T, topic stream.Topic, partition int) (records []stream.Record) {
	t.Helper()
	first, end, err := w.buses[0].Ends(ctx, topic, partition)
	if err == nil {
		err = w.buses[0].Read(ctx, topic, partition, first, end, func(r stream.Record) error {
			records = append(records, r)
			return nil
		})
	}
	if err != nil {
		t.Fatalf("read %s/%d: %v", topic, partition, err)
	}
	return records
}

// replay folds a partition of state as a new owner would.
func (w *world) replay(ctx context.Context, t *testing.T, s int, into map[chat.Pseudonym]optout.Person) {
	t.Helper()
	for _, r := range w.all(ctx, t, stream.State, s) {
		if shard.Family(string(r.Key)) != "person" {
			continue
		}
		var p optout.Person
		if err := json.Unmarshal(r.Value, &p); err != nil {
			t.Fatal(err)
		}
		into[w.pseudonym(t, string(r.Key))] = p
	}
}

func (w *world) pseudonym(t *testing.T, key string) (p chat.Pseudonym) {
	t.Helper()
	if _, err := fmt.Sscanf(key, "person/"+account+"/%d", &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// look reads the view as readers do.
func (w *world) look(ctx context.Context, t *testing.T, s int, people map[chat.Pseudonym]map[chat.Pseudonym]bool, into map[chat.Pseudonym]optout.Person) {
	t.Helper()
	for who := range people {
		if shards.Of(who) != s {
			continue
		}
		states, err := w.stores[0].States(ctx, s, optout.PersonKey(account, who))
		for err != nil && pause(ctx, 10*time.Millisecond) {
			states, err = w.stores[0].States(ctx, s, optout.PersonKey(account, who))
		}
		if err != nil || states[0] == nil {
			continue // shows as a wrong entry
		}
		var p optout.Person
		if err := json.Unmarshal(states[0], &p); err != nil {
			t.Fatal(err)
		}
		into[who] = p
	}
}

// placed is a row of the ledger with its place.
type placed struct {
	optout.Row
	offset int64
	at     time.Time
}

// refold folds a partition of commands once more, in its order, and compares the ledger with what that gives: row by row.
func (w *world) refold(ctx context.Context, t *testing.T, s int, f *Findings, rows map[chat.Pseudonym][]placed, due *effects) {
	t.Helper()
	ledger, offsets := w.readLedger(ctx, t, s, f, rows)
	states := map[string][]byte{}
	var want []*stream.Record
	rules := optout.Rules()
	for _, r := range w.all(ctx, t, stream.Commands, s) {
		var c shard.Command
		if err := json.Unmarshal(r.Value, &c); err != nil {
			t.Fatal(err)
		}
		place := shard.Place{Shards: shards, Shard: s, Offset: r.Offset}
		keys, err := rules[c.Kind].Keys(place, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if _, ok := states[key]; !ok {
				states[key] = nil
			}
		}
		turn := shard.NewTurn(place, states, func(cause string) int64 { return offsets[cause] })
		if err := rules[c.Kind].Apply(turn, c); err != nil {
			t.Fatal(err)
		}
		changed, said, sent := turn.Said()
		maps.Copy(states, changed)
		want = append(want, said...)
		for _, e := range sent {
			due.note(*e)
		}
	}
	for i := range max(len(want), len(ledger)) {
		if i >= len(want) || i >= len(ledger) || string(want[i].Value) != string(ledger[i].Value) {
			f.Ledger++
		}
	}
}

func (w *world) readLedger(ctx context.Context, t *testing.T, s int, f *Findings, rows map[chat.Pseudonym][]placed) (ledger []stream.Record, offsets map[string]int64) {
	t.Helper()
	offsets = map[string]int64{}
	last := map[string]placed{}
	for _, r := range w.all(ctx, t, stream.Consent, s) {
		cause := r.Header("cause")
		if cause == "" {
			continue // a claim
		}
		if _, again := offsets[cause]; again {
			f.Doubled++
			continue
		}
		offsets[cause] = r.Offset
		ledger = append(ledger, r)
		var row optout.Row
		if err := json.Unmarshal(r.Value, &row); err != nil {
			t.Fatal(err)
		}
		entry := fmt.Sprint(row.Pseudonym, row.List, row.Channel)
		before, known := last[entry]
		if known && (before.To != row.From || before.offset != row.Prev) || !known && (row.From != optout.StandingIn || row.Prev != optout.NoRow) {
			f.Broken++
		}
		at := placed{row, r.Offset, r.Time}
		last[entry] = at
		if row.List == gate.DefaultList {
			rows[row.Pseudonym] = append(rows[row.Pseudonym], at)
		}
	}
	return ledger, offsets
}
