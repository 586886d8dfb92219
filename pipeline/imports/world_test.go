package imports_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/imports"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

const shards = chat.Shards(3)

var (
	now     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	key     = chat.Key("0123456789abcdef")
	account = optout.Account{ID: "acme", Key: key, Lists: optout.SystemLists()}
	rules   = shard.Join(optout.Rules(), imports.Rules())
)

// world is all shards in memory. Its owners decide when they are told to, or at once.
type world struct {
	mu      sync.Mutex
	log     [][]shard.Command
	next    []int // in the logs
	states  []map[string][]byte
	now     time.Time
	held    bool                         // owners decide nothing by themselves
	crash   func() bool                  // before a decision: its effects are out, it is not
	publish func(r *stream.Record) error // instead of taking it in; nil: take it
	dead    func(c shard.Command) bool   // it can't be folded
	most    int                          // commands of edits that were undecided at once in a shard
	bad     error
}

func newWorld() *world {
	w := &world{log: make([][]shard.Command, shards), next: make([]int, shards), now: now, crash: func() bool { return false }}
	for range shards {
		w.states = append(w.states, map[string][]byte{})
	}
	return w
}

func (w *world) Publish(ctx context.Context, records ...*stream.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, r := range records {
		if w.publish != nil {
			if err := w.publish(r); err != nil {
				return err
			}
		}
		w.append(r)
	}
	for !w.held && w.step() {
	}
	return w.bad
}

func (w *world) append(r *stream.Record) {
	var c shard.Command
	if err := json.Unmarshal(r.Value, &c); err != nil {
		w.bad = err
	}
	r.Offset = int64(len(w.log[r.Partition]))
	w.log[r.Partition] = append(w.log[r.Partition], c)
	open := 0
	for _, c := range w.log[r.Partition][w.next[r.Partition]:] {
		if c.Kind == optout.CommandEdit {
			open++
		}
	}
	w.most = max(w.most, open)
}

// step decides one command; false where there is none.
func (w *world) step() bool {
	for s := range w.log {
		if w.next[s] == len(w.log[s]) {
			continue
		}
		for w.fold(s, w.crash()) {
		}
		return true
	}
	return false
}

// fold folds the next command of a shard, and says whether it must be folded again.
func (w *world) fold(s int, crashed bool) (again bool) {
	c, place := w.log[s][w.next[s]], shard.Place{Shards: shards, Shard: s, Offset: int64(w.next[s])}
	rule, known := rules[c.Kind]
	if !known || w.dead != nil && w.dead(c) {
		w.next[s]++
		return false
	}
	keys, err := rule.Keys(place, c)
	if err != nil {
		w.bad = errors.Join(w.bad, fmt.Errorf("%s: %w", c.Kind, err))
		w.next[s]++
		return false
	}
	loaded := map[string][]byte{}
	for _, k := range keys {
		loaded[k] = w.states[s][k]
	}
	row := int64(0)
	turn := shard.NewTurn(place, loaded, func(string) int64 { row++; return row })
	if err := rule.Apply(turn, c); err != nil {
		w.bad = errors.Join(w.bad, fmt.Errorf("%s: %w", c.Kind, err))
	}
	states, _, effects := turn.Said()
	for _, e := range effects {
		if e.Topic == stream.Commands {
			w.append(e)
		}
	}
	if crashed {
		return true
	}
	for k, state := range states {
		if w.states[s][k] = state; state == nil {
			delete(w.states[s], k)
		}
	}
	w.next[s]++
	return false
}

func (w *world) States(_ context.Context, s int, keys ...string) ([][]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := make([][]byte, len(keys))
	for i, k := range keys {
		found[i] = w.states[s][k]
	}
	return found, nil
}

func (w *world) Answer(_ context.Context, s int, offset int64, command string) (*shard.Answer, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if int64(w.next[s]) <= offset {
		return nil, false, nil
	}
	raw := w.states[s][shard.AnswerKey(command)]
	if raw == nil {
		return nil, true, nil
	}
	answer := &shard.Answer{}
	return answer, true, json.Unmarshal(raw, answer)
}

// importer imports into the world.
func (w *world) importer() imports.Importer {
	return imports.Importer{
		Shards: shards, Publisher: w, States: w, Answers: w, Now: w.clock,
		Directory: chat.NewDirectory([]string{"acme"}, []chat.Channel{{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "1", DefaultCountry: "GB"}}),
	}
}

// order is an import to Default's people of channel wa.
func order(id, attempt string) imports.Order {
	list, _ := account.List("default")
	return imports.Order{ID: id, Attempt: attempt, Account: account, List: list, Terms: imports.Terms{List: "default", Channel: "wa"}, Token: "t"}
}

// state gives an import as it is; nil where there is none.
func (w *world) state(t testing.TB, id string) *imports.Import {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	r := imports.Ref{Account: "acme", ID: id}
	raw := w.states[r.Shard(shards)][r.Key()]
	if raw == nil {
		return nil
	}
	i := &imports.Import{}
	if err := json.Unmarshal(raw, i); err != nil {
		t.Fatal(err)
	}
	return i
}

// entry gives what is known of a phone.
func (w *world) entry(t testing.TB, id chat.Identifier) (e optout.Entry) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var p optout.Person
	at := key.Pseudonym(id)
	if raw := w.states[shards.Of(at)][optout.PersonKey("acme", at)]; raw != nil {
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range p.Entries {
		if one.List == "default" && one.Channel == "wa" {
			e = one
		}
	}
	return e
}

// say appends what a person said before.
func (w *world) say(t testing.TB, id chat.Identifier, out bool, at time.Time) {
	t.Helper()
	c := optout.Change{
		Who: []optout.Ref{{ID: id, P: key.Pseudonym(id)}}, Out: out,
		Marks: []optout.Mark{{List: "default", Channel: "wa", At: at.UnixMilli(), Source: optout.SourceMessage}},
	}
	records, err := c.Records(shards, fmt.Sprint(id, out, at), "acme", at.UnixMilli())
	if err == nil {
		err = w.Publish(t.Context(), records...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}
