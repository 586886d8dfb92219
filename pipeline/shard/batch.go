package shard

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"

	"optgate/pipeline/stream"
)

// batch is what a run of commands decides together.
type batch struct {
	taken   int               // commands
	made    []stamp           // of those that were folded
	dead    []string          // why the others were not
	states  map[string][]byte // as loaded, and then as decided
	decided map[string]bool
	changes []Change         // of what was decided, in the order of first changes; New is set by decision
	rows    []*stream.Record // of the ledger
	effects []*stream.Record // of other topics
	size    int              // bytes of new state and of the ledger
}

// fold folds commands in their order. What can't be understood, or makes its fold panic, becomes a dead letter and is
// passed: one bad command never spoils its batch.
func (o *Owner) fold(ctx context.Context, records []stream.Record) (*batch, error) {
	b := &batch{decided: map[string]bool{}}
	commands, reasons := make([]Command, len(records)), make([]string, len(records))
	var keys []string
	for i, r := range records {
		var needed []string
		var err error
		if commands[i], needed, reasons[i], err = o.read(r); err != nil {
			return nil, err
		}
		keys = append(keys, needed...)
	}
	if err := o.load(ctx, b, keys); err != nil {
		return nil, err
	}
	next := o.ledger.end
	for i, r := range records {
		b.taken = i + 1
		before, err := next, error(nil)
		if reasons[i] == "" {
			t := NewTurn(o.place(r), b.states, o.ledger.rowOf(&next))
			if reasons[i], err = o.apply1(t, commands[i]); reasons[i] == "" {
				b.take(t)
				b.made = append(b.made, stamp{commands[i].Kind, commands[i].Made})
			} else {
				next = before
			}
		}
		if reasons[i] != "" {
			o.Logger.Error().Int("shard", o.Shard).Int64("offset", r.Offset).Str("kind", commands[i].Kind).Str("dead", reasons[i]).Err(err).Msg("command can't be folded")
			b.effects = append(b.effects, dead(r, reasons[i]))
			b.dead = append(b.dead, reasons[i])
		}
		if b.size > turnBytes {
			break
		}
	}
	return b, nil
}

// read understands a record as a command and says which states it needs, or why it can't be understood.
func (o *Owner) read(r stream.Record) (c Command, keys []string, reason string, err error) {
	if c, err = readCommand(r.Value); err != nil {
		return c, nil, "not_a_command", nil
	}
	c.read = &memo{}
	if c.V > stream.Version {
		return c, nil, "", fmt.Errorf("command of version %d: %w", c.V, stream.ErrVersion)
	}
	rule, ok := o.Rules[c.Kind]
	if !ok {
		return c, nil, "unknown_command", nil
	}
	defer func() {
		if p := recover(); p != nil {
			keys, reason = nil, "fold_failed"
		}
	}()
	if keys, err = rule.Keys(o.place(r), c); err != nil {
		return c, nil, "bad_command", nil
	}
	return c, keys, "", nil
}

func (o *Owner) load(ctx context.Context, b *batch, keys []string) error {
	slices.Sort(keys)
	keys = slices.Compact(keys)
	b.states = make(map[string][]byte, len(keys)+1)
	if len(keys) == 0 {
		return nil
	}
	loaded, err := o.View.Load(ctx, o.at, keys)
	if err != nil {
		return err
	}
	for i, key := range keys {
		b.states[key] = loaded[i]
	}
	return nil
}

// apply1 folds one command. reason says why it goes to dead instead, "" if it doesn't.
func (o *Owner) apply1(t *Turn, c Command) (reason string, err error) {
	defer func() {
		if p := recover(); p != nil {
			reason, err = "fold_failed", fmt.Errorf("fold panicked: %v\n%s", p, debug.Stack())
		}
	}()
	if err := o.Rules[c.Kind].Apply(t, c); err != nil {
		return "fold_failed", err
	}
	if decided, told := t.size(); decided+told > mostBytes {
		return "too_much", fmt.Errorf("%d bytes are decided, %d told", decided, told)
	}
	return "", nil
}

func (o *Owner) place(r stream.Record) Place {
	return Place{Shards: o.Shards, Shard: o.Shard, Offset: r.Offset}
}

// take makes a turn's words the batch's.
func (b *batch) take(t *Turn) {
	for _, key := range t.order {
		state := t.changed[key]
		if !b.decided[key] {
			b.decided[key] = true
			b.changes = append(b.changes, Change{Key: key, Old: b.states[key]})
		}
		b.states[key] = state
	}
	decided, _ := t.size()
	b.size += decided
	b.rows = append(b.rows, t.rows...)
	b.effects = append(b.effects, t.effects...)
}

// decision gives the records of state, the cursor last, and the same as changes of the view.
func (b *batch) decision(shard int, cursor Cursor) ([]*stream.Record, []Change, error) {
	place, err := json.Marshal(cursor)
	if err != nil {
		return nil, nil, fmt.Errorf("cursor: %w", err)
	}
	b.states[CursorKey] = place
	b.changes = append(b.changes, Change{Key: CursorKey})
	records, all := make([]*stream.Record, len(b.changes)), make([]stream.Record, len(b.changes))
	for i := range b.changes {
		c := &b.changes[i]
		c.New = b.states[c.Key]
		all[i] = stream.Record{Topic: stream.State, Partition: shard, Key: []byte(c.Key), Value: c.New}
		records[i] = &all[i]
	}
	return records, b.changes, nil
}

// dead makes a dead letter of a command. One that is larger than any of ours stays in commands alone.
func dead(r stream.Record, reason string) *stream.Record {
	value := r.Value
	if len(value) > mostBytes {
		value = nil
	}
	return &stream.Record{
		Topic: stream.Dead, Partition: stream.AnyPartition, Key: []byte(stream.Commands), Value: value,
		Headers: []stream.Header{
			{Key: "v", Value: strconv.Itoa(stream.Version)},
			{Key: "source", Value: fmt.Sprintf("%s/%d/%d", stream.Commands, r.Partition, r.Offset)},
			{Key: "reason", Value: reason},
			{Key: "received_at", Value: strconv.FormatInt(r.Time.UnixMilli(), 10)},
		},
	}
}
