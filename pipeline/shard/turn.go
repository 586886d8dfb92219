package shard

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/stream"
)

// Turn is what one command's fold sees and says. What it says takes effect only if the fold returns nil.
type Turn struct {
	Place
	states  map[string][]byte // as loaded, with what earlier commands of the batch decided
	changed map[string][]byte
	order   []string // keys of changed
	rows    []*stream.Record
	effects []*stream.Record
	ledger  func(cause string) int64
}

// NewTurn makes a turn over loaded states. ledger says at which offset of the ledger the row with this cause stands or
// will stand.
func NewTurn(p Place, states map[string][]byte, ledger func(cause string) int64) *Turn {
	return &Turn{Place: p, states: states, ledger: ledger}
}

// Get reads a state into a value; false where there is none.
func (t *Turn) Get(key string, into any) (bool, error) {
	raw, ok := t.changed[key]
	if !ok {
		if raw, ok = t.states[key]; !ok {
			return false, fmt.Errorf("state %s was not asked for by Keys", Family(key))
		}
	}
	if raw == nil {
		return false, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("state %s: %w", Family(key), err)
	}
	return true, nil
}

// Put decides a state.
func (t *Turn) Put(key string, state any) error {
	raw, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("state %s: %w", Family(key), err)
	}
	t.change(key, raw)
	return nil
}

// Delete decides that a state is gone.
func (t *Turn) Delete(key string) { t.change(key, nil) }

func (t *Turn) change(key string, state []byte) {
	if t.changed == nil {
		t.changed = map[string][]byte{}
	}
	if _, again := t.changed[key]; !again {
		t.order = append(t.order, key)
	}
	t.changed[key] = state
}

// ID derives the id of the nth thing this command causes: "<shard>.<offset>.<n>", the same in every repeat.
func (t *Turn) ID(n int) string {
	id := strconv.AppendInt(make([]byte, 0, 24), int64(t.Shard), 10)
	id = strconv.AppendInt(append(id, '.'), t.Offset, 10)
	return string(strconv.AppendInt(append(id, '.'), int64(n), 10))
}

// Row is a row of the ledger. It tells whose it is and of when, in ms since 1970; the rest is its rule's own.
type Row interface {
	Concerns() (account string, at int64)
}

// Row says one row of the ledger and gives the offset at which it stands. A row is written once, also after a crash.
func (t *Turn) Row(key string, row Row) (int64, error) {
	value, err := json.Marshal(row)
	if err != nil {
		return 0, fmt.Errorf("ledger row: %w", err)
	}
	cause := strconv.FormatInt(t.Offset, 10) + "." + strconv.Itoa(len(t.rows))
	account, at := row.Concerns()
	t.rows = append(t.rows, &stream.Record{
		Topic: stream.Consent, Partition: t.Shard, Key: []byte(key), Value: value,
		Headers: append(stream.CloudEvent(stream.TypeConsent, account, t.ID(len(t.rows)), at),
			stream.Header{Key: "v", Value: "1"}, stream.Header{Key: HeaderCause, Value: cause}),
	})
	return t.ledger(cause), nil
}

// recordBytes is about what a record has around its value.
const recordBytes = 100

// size gives the bytes of what was decided, states and rows, and of the effects.
func (t *Turn) size() (decided, told int) {
	for key, state := range t.changed {
		decided += len(key) + len(state) + recordBytes
	}
	for _, r := range t.rows {
		decided += len(r.Value) + recordBytes
	}
	for _, r := range t.effects {
		told += len(r.Value) + recordBytes
	}
	return decided, told
}

// Send says an effect: a record for any topic but state and consent. It may be appended more than once; its id makes that harmless.
func (t *Turn) Send(r *stream.Record) { t.effects = append(t.effects, r) }

// Answer says what whoever made the command is told.
func (t *Turn) Answer(c Command, a Answer) error {
	a.V, a.Made = stream.Version, c.Made
	return t.Put(AnswerKey(c.ID), a)
}

// Family gives the kind of a state: its key up to the first slash.
func Family(key string) string {
	name, _, _ := strings.Cut(key, "/")
	return name
}
