package media_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"optgate/pipeline/media"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// world folds commands as they are published, and keeps chunks.
type world struct {
	t      testing.TB
	mu     sync.Mutex
	states map[string][]byte
	offset int64
	topic  topic
	gone   map[string]bool // chunks with a tombstone
	away   error
}

func newWorld(t testing.TB) *world {
	return &world{t: t, states: map[string][]byte{}, gone: map[string]bool{}}
}

var rules = media.Rules()

func (w *world) Publish(ctx context.Context, records ...*stream.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		if r.Topic != stream.Commands {
			if err := w.topic.Publish(ctx, r); err != nil {
				return err
			}
			continue
		}
		var c shard.Command
		if err := json.Unmarshal(r.Value, &c); err != nil {
			return err
		}
		w.fold(c, r.Partition)
	}
	return nil
}

func (w *world) fold(c shard.Command, at int) {
	w.t.Helper()
	w.offset++
	place := shard.Place{Shards: shards, Shard: at, Offset: w.offset}
	keys, err := rules[c.Kind].Keys(place, c)
	if err != nil {
		w.t.Fatal(err)
	}
	loaded := map[string][]byte{}
	for _, k := range keys {
		loaded[k] = w.states[k]
	}
	turn := shard.NewTurn(place, loaded, nil)
	if err := rules[c.Kind].Apply(turn, c); err != nil {
		w.t.Fatal(err)
	}
	changed, _, effects := turn.Said()
	maps.Copy(w.states, changed)
	maps.DeleteFunc(w.states, func(_ string, state []byte) bool { return state == nil })
	for _, e := range effects {
		if e.Topic != stream.Media || e.Value != nil {
			w.t.Errorf("effect %+v", e)
		}
		w.gone[string(e.Key)] = true
	}
}

func (w *world) States(_ context.Context, _ int, keys ...string) (found [][]byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		found = append(found, w.states[k])
	}
	return found, w.away
}

func (w *world) At(ctx context.Context, of stream.Topic, partition int, offset int64) (stream.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.topic.At(ctx, of, partition, offset)
}

// say folds a command and gives what it was answered.
func (w *world) say(c shard.Command, err error) shard.Answer {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	record, err := c.Record(shards.Account(c.Account))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.Publish(w.t.Context(), record); err != nil {
		w.t.Fatal(err)
	}
	var a shard.Answer
	if raw := w.states[shard.AnswerKey(c.ID)]; raw != nil {
		if err := json.Unmarshal(raw, &a); err != nil {
			w.t.Fatal(err)
		}
	}
	return a
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// add takes a text into acme's library.
func (w *world) add(id, blob, text string) shard.Answer {
	w.t.Helper()
	w.say(media.NewBegin("begin."+blob, "acme", blob, noon))
	c, err := media.Write(w.t.Context(), shards, w, "acme", blob, strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.say(media.NewAdd("add."+blob, "acme", id, text+".txt", c, noon))
}

// families counts states by their family, answers aside.
func (w *world) families() map[string]int {
	n := map[string]int{}
	for key := range w.states {
		if family := shard.Family(key); family != "answer" {
			n[family]++
		}
	}
	return n
}
