package shard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// world is all that the owner of one shard stands on, in memory and in simulated time: logs of which only the last to claim
// may append, and a view. Tests change how its parts answer.
type world struct {
	t testing.TB

	mu     sync.Mutex
	logs   map[stream.Topic][]stream.Record
	epoch  int
	at     shard.Position
	states map[string][]byte
	lease  time.Time
	chunks [][]string // keys of each write to the view
	most   int        // bytes of a batch; 0: any
	every  time.Duration
	round  int                                  // records of a round at most; 0: any number
	lost   int                                  // losses the owner told
	log    bytes.Buffer                         // of what the owner logs
	refuse func(records []*stream.Record) error // to publish
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, logs: map[stream.Topic][]stream.Record{}, states: map[string][]byte{}, every: 250 * time.Millisecond}
	w.put(&stream.Record{Topic: stream.State, Key: []byte(shard.InstallationKey), Value: []byte(`{"v":1}`)})
	return w
}

// owner makes an owner of the shard.
func (w *world) owner(rules shard.Rules) *shard.Owner {
	return &shard.Owner{
		Shards: 1, Rules: rules, Log: &log{w: w}, Reader: w, Follow: func(from int64) shard.Follower { return &follower{w, from} },
		Publisher: w, View: w, Holds: func(context.Context) error { return nil }, Lost: func(error) { w.lost++ }, Logger: zerolog.New(&w.log), Installation: "here",
	}
}

// runs lets an owner run for a simulated time.
func (w *world) runs(rules shard.Rules, d time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	if err := w.owner(rules).Run(ctx); err != nil {
		w.t.Error(err)
	}
}

// command appends a command.
func (w *world) command(kind string, body any) {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := shard.Command{ID: fmt.Sprint(kind, len(w.logs[stream.Commands])), Kind: kind, Made: 1, Body: raw}.Record(0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(r)
}

func (w *world) put(records ...*stream.Record) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.logs[records[0].Topic]
	base := int64(len(log))
	for _, r := range records {
		r.Offset = int64(len(log))
		log = append(log, *r)
	}
	w.logs[records[0].Topic] = log
	return base
}

func (w *world) end(topic stream.Topic) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.logs[topic]))
}

// Publish keeps effects.
func (w *world) Publish(_ context.Context, records ...*stream.Record) error {
	if w.refuse != nil {
		if err := w.refuse(records); err != nil {
			return err
		}
	}
	for _, r := range records {
		w.put(r)
	}
	return nil
}

// Read reads a log.
func (w *world) Read(_ context.Context, topic stream.Topic, _ int, from, to int64, each func(stream.Record) error) error {
	w.mu.Lock()
	log := w.logs[topic]
	w.mu.Unlock()
	for at := from; at < to; at++ {
		if err := each(log[at]); err != nil {
			return err
		}
	}
	return nil
}

// Ends gives the ends of a log.
func (w *world) Ends(_ context.Context, topic stream.Topic, _ int) (first, end int64, err error) {
	return 0, w.end(topic), nil
}

type log struct {
	w     *world
	epoch int
	last  time.Time
}

func (l *log) Claim(context.Context) error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.epoch++
	l.epoch, l.last = l.w.epoch, time.Now()
	return nil
}

func (l *log) Append(_ context.Context, topic stream.Topic, records []*stream.Record) (int64, error) {
	l.w.mu.Lock()
	deposed := l.epoch != l.w.epoch
	l.w.mu.Unlock()
	if deposed {
		return 0, stream.ErrDeposed
	}
	size := 0
	for _, r := range records {
		size += len(r.Key) + len(r.Value)
		r.Topic = topic
	}
	if l.w.most > 0 && size > l.w.most {
		return 0, fmt.Errorf("batch of %d bytes", size)
	}
	l.last = time.Now()
	return l.w.put(records...), nil
}

func (l *log) Idle() time.Duration { return time.Since(l.last) }

type follower struct {
	w    *world
	next int64
}

func (f *follower) Next(ctx context.Context) (stream.Round, error) {
	began := time.Now()
	if f.w.end(stream.Commands) == f.next {
		select {
		case <-ctx.Done():
			return stream.Round{}, ctx.Err()
		case <-time.After(f.w.every):
		}
	}
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	log := f.w.logs[stream.Commands]
	round := stream.Round{Records: log[f.next:], High: int64(len(log)), Began: began}
	if f.w.round > 0 {
		round.Records = round.Records[:min(len(round.Records), f.w.round)]
	}
	f.next += int64(len(round.Records))
	return round, nil
}

func (f *follower) Close() {}

// Position tells where the view stands.
func (w *world) Position(context.Context) (shard.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at, nil
}

// Begin makes the view a generation's.
func (w *world) Begin(_ context.Context, seen, p shard.Position) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.at.Generation > p.Generation:
		return stream.ErrDeposed
	case w.at != seen:
		return shard.ErrMoved
	}
	w.at, w.lease = token(p), time.Time{}
	if !p.Whole {
		w.states = map[string][]byte{}
	}
	return nil
}

// Load reads states.
func (w *world) Load(_ context.Context, p shard.Position, keys []string) ([][]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at != token(p) {
		return nil, shard.ErrMoved
	}
	states := make([][]byte, len(keys))
	for i, key := range keys {
		states[i] = w.states[key]
	}
	return states, nil
}

// Apply writes states.
func (w *world) Apply(_ context.Context, from, to shard.Position, changes []shard.Change, lease time.Time) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at != token(from) {
		return time.Time{}, shard.ErrMoved
	}
	var keys []string
	for _, c := range changes {
		keys = append(keys, c.Key)
		if old, there := w.states[c.Key]; c.Key != shard.CursorKey && (there != (c.Old != nil) || !bytes.Equal(old, c.Old)) {
			w.t.Errorf("%s is told to have been %q, and was %q", c.Key, c.Old, old)
		}
		if w.states[c.Key] = c.New; c.New == nil {
			delete(w.states, c.Key)
		}
	}
	w.at, w.chunks = token(to), append(w.chunks, keys)
	if !lease.IsZero() {
		w.lease = lease
	}
	return time.Now(), nil
}

// left gives how long the lease lasts.
func (w *world) left() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Until(w.lease)
}

// token gives a position as the view keeps it.
func token(p shard.Position) shard.Position {
	return shard.Position{Token: fmt.Sprint(p.Generation, p.Next, p.Whole), Generation: p.Generation, Next: p.Next, Whole: p.Whole}
}

// cursor gives where the owner has come to.
func (w *world) cursor(t testing.TB) (c shard.Cursor) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if state := w.states[shard.CursorKey]; state != nil {
		if err := json.Unmarshal(state, &c); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// claims counts the claim records of a log.
func (w *world) claims(topic stream.Topic) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.logs[topic] {
		if string(r.Key) == "claim" {
			n++
		}
	}
	return n
}

// keep is a rule whose command keeps as many bytes under as many keys as it says.
var keep = shard.Rules{"keep": {
	Keys: func(_ shard.Place, c shard.Command) (keys []string, err error) {
		var said kept
		if err := json.Unmarshal(c.Body, &said); err != nil {
			return nil, err
		}
		for n := range said.Keys {
			keys = append(keys, fmt.Sprintf("thing/%s/%d", c.ID, n))
		}
		return keys, nil
	},
	Apply: func(t *shard.Turn, c shard.Command) error {
		var said kept
		if err := json.Unmarshal(c.Body, &said); err != nil {
			return err
		}
		for n := range said.Keys {
			if err := t.Put(fmt.Sprintf("thing/%s/%d", c.ID, n), make([]byte, said.Bytes)); err != nil {
				return err
			}
		}
		for n := range said.Rows {
			if _, err := t.Row("1", kept{Rows: n}); err != nil {
				return err
			}
		}
		if said.Send {
			t.Send(&stream.Record{Topic: stream.Events, Value: []byte("{}")})
		}
		return nil
	},
}}

type kept struct {
	Keys, Bytes, Rows int
	Send              bool
}

func (kept) Concerns() (account string, at int64) { return "acme", 1 }
