package optout_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// fataler is what a test of package testing and one of rapid have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is all shards in memory: logs of commands, states, ledgers and what went out to other topics.
type world struct {
	t        fataler
	shards   chat.Shards
	commands [][]shard.Command
	next     []int // in commands
	states   []map[string][]byte
	ledger   [][]optout.Row
	out      []chat.Outbound
	events   []optout.Event
	offers   []optout.Offer // each as often as it was said
}

func newWorld(t fataler, n chat.Shards) *world {
	w := &world{t: t, shards: n, commands: make([][]shard.Command, n), next: make([]int, n), ledger: make([][]optout.Row, n)}
	for range n {
		w.states = append(w.states, map[string][]byte{})
	}
	return w
}

// append puts records of commands into their shards' logs.
func (w *world) append(records ...*stream.Record) {
	w.t.Helper()
	for _, r := range records {
		var c shard.Command
		if err := json.Unmarshal(r.Value, &c); err != nil || r.Topic != stream.Commands || c.V != 1 {
			w.t.Fatalf("%s is no command: %v", r.Value, err)
		}
		w.commands[r.Partition] = append(w.commands[r.Partition], c)
	}
}

// pending gives the shards with commands to fold.
func (w *world) pending() (shards []int) {
	for s := range w.commands {
		if w.next[s] < len(w.commands[s]) {
			shards = append(shards, s)
		}
	}
	return shards
}

// step folds one command of a shard. crashed: its owner dies after the effects and the rows are appended and before the
// decision, so that the command is folded again.
func (w *world) step(s int, crashed bool) {
	w.t.Helper()
	c := w.commands[s][w.next[s]]
	place := shard.Place{Shards: w.shards, Shard: s, Offset: int64(w.next[s])}
	rule, ok := optout.Rules()[c.Kind]
	if !ok {
		w.t.Fatalf("no rule for %s", c.Kind)
	}
	keys, err := rule.Keys(place, c)
	if err != nil {
		w.t.Fatalf("%s: keys: %v", c.Kind, err)
	}
	loaded := map[string][]byte{}
	for _, key := range keys {
		loaded[key] = w.states[s][key]
	}
	end := len(w.ledger[s])
	turn := shard.NewTurn(place, loaded, func(string) int64 { end++; return int64(end - 1) })
	if err := rule.Apply(turn, c); err != nil {
		w.t.Fatalf("%s: %v", c.Kind, err)
	}
	states, rows, effects := turn.Said()
	for _, r := range effects {
		w.effect(r)
	}
	if crashed {
		return // the rows that were appended are found by their cause: as if they were written by the next fold
	}
	for _, r := range rows {
		var row optout.Row
		if err := json.Unmarshal(r.Value, &row); err != nil || string(r.Key) != row.Pseudonym.String() {
			w.t.Fatalf("row %s of key %s: %v", r.Value, r.Key, err)
		}
		w.ledger[s] = append(w.ledger[s], row)
	}
	for key, state := range states {
		if !slices.Contains(keys, key) {
			w.t.Fatalf("%s writes a state that Keys doesn't name", c.Kind)
		}
		w.states[s][key] = state
	}
	w.next[s]++
}

func (w *world) effect(r *stream.Record) {
	w.t.Helper()
	var err error
	switch r.Topic {
	case stream.Commands:
		var c shard.Command
		if err = json.Unmarshal(r.Value, &c); err == nil && c.Kind == optout.CommandOffer {
			var body optout.Offers
			err = json.Unmarshal(c.Body, &body)
			for _, o := range body.Offers {
				if at, err := optout.DeliveryShard(o.ID); err != nil || at != r.Partition {
					w.t.Fatalf("offer %s in shard %d: %v", o.ID, r.Partition, err)
				}
			}
			w.offers = append(w.offers, body.Offers...)
			break
		}
		w.append(r)
	case stream.OutboundReplies:
		var m chat.Outbound
		err = json.Unmarshal(r.Value, &m)
		if m.Lane(w.shards) != r.Partition || m.Key() != string(r.Key) {
			w.t.Fatalf("message in lane %d with key %s", r.Partition, r.Key)
		}
		w.out = append(w.out, m)
	case stream.Events:
		var e optout.Event
		err = json.Unmarshal(r.Value, &e)
		w.events = append(w.events, e)
	default:
		w.t.Fatalf("effect in topic %s", r.Topic)
	}
	if err != nil {
		w.t.Fatalf("effect in %s: %v", r.Topic, err)
	}
}

// settle folds all there is.
func (w *world) settle() {
	w.t.Helper()
	for n := 0; len(w.pending()) > 0; n++ {
		if n > 100_000 {
			w.t.Fatalf("travels don't end")
		}
		w.step(w.pending()[0], false)
	}
}

var key = chat.Key("0123456789abcdef")

func ref(id string) optout.Ref {
	return optout.Ref{ID: chat.Identifier(id), P: key.Pseudonym(chat.Identifier(id))}
}

func refs(ids ...string) (all []optout.Ref) {
	for _, id := range ids {
		all = append(all, ref(id))
	}
	return all
}

func (w *world) person(id string) (p optout.Person) {
	w.t.Helper()
	at := ref(id).P
	if raw := w.states[w.shards.Of(at)][optout.PersonKey("acme", at)]; raw != nil {
		if err := json.Unmarshal(raw, &p); err != nil {
			w.t.Fatalf("state of %s: %v", id, err)
		}
	}
	return p
}

// entry gives an entry; the zero Entry where there is none.
func (w *world) entry(id, list, channel string) optout.Entry {
	w.t.Helper()
	for _, e := range w.person(id).Entries {
		if e.List == list && e.Channel == channel {
			return e
		}
	}
	return optout.Entry{}
}

// rows gives the rows of one identifier, oldest first.
func (w *world) rows(id string) (rows []optout.Row) {
	at := ref(id).P
	for _, row := range w.ledger[w.shards.Of(at)] {
		if row.Pseudonym == at {
			rows = append(rows, row)
		}
	}
	return rows
}

// messages gives what was sent, each id once, as a lane does.
func (w *world) messages() (once []chat.Outbound) {
	for _, m := range w.out {
		if !slices.ContainsFunc(once, func(o chat.Outbound) bool { return o.ID == m.ID }) {
			once = append(once, m)
		}
	}
	return once
}

func body(t testing.TB, m chat.Outbound) string {
	t.Helper()
	var text struct {
		Type string
		Text struct{ Body string }
	}
	if err := json.Unmarshal(m.Message, &text); err != nil || text.Type != "text" {
		t.Fatalf("message %s: %v", m.Message, err)
	}
	return text.Text.Body
}

func (w *world) change(id string, c optout.Change) {
	w.t.Helper()
	records, err := c.Records(w.shards, id, "acme", 1_000_000)
	if err != nil {
		w.t.Fatalf("change %s: %v", id, err)
	}
	w.append(records...)
}

func (w *world) tie(id string, at int64, ids ...string) {
	w.t.Helper()
	records, err := optout.Tie{Who: refs(ids...), At: at, By: optout.SourceWebhook}.Records(w.shards, id, "acme", 1_000_000)
	if err != nil {
		w.t.Fatalf("tie %s: %v", id, err)
	}
	w.append(records...)
}

// typed is a change by a person's words.
func typed(out bool, at int64, list string, ids ...string) optout.Change {
	return optout.Change{
		Who: refs(ids...), Out: out, Linked: len(ids) > 1,
		Marks:   []optout.Mark{{List: list, Channel: "wa", At: at, Source: optout.SourceMessage, Rule: "word", Message: fmt.Sprintf("m%d", at)}},
		Confirm: &optout.Confirm{Channel: "wa", Given: "+447700900001", Texts: []optout.Text{{List: list, Body: "text of " + list}}},
	}
}
