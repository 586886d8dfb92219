package access_test

import (
	"encoding/json"
	"maps"
	"testing"

	"optgate/pipeline/access"
	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
)

const shards = chat.Shards(4)

// world is one shard, in memory: the states that the rules fold.
type world struct {
	t      *testing.T
	states map[string][]byte
	offset int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, states: map[string][]byte{}}
}

// fold decides a command as the owner of a shard would; an error means that it goes to dead.
func (w *world) fold(at int, c shard.Command, err error) error {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	place := shard.Place{Shards: shards, Shard: at, Offset: w.offset}
	w.offset++
	rule := access.Rules()[c.Kind]
	keys, err := rule.Keys(place, c)
	if err != nil {
		return err
	}
	loaded := map[string][]byte{}
	for _, key := range keys {
		loaded[key] = w.states[key]
	}
	turn := shard.NewTurn(place, loaded, nil)
	if err := rule.Apply(turn, c); err != nil {
		return err
	}
	changed, rows, effects := turn.Said()
	if len(rows)+len(effects) > 0 {
		w.t.Errorf("%s says more than states", c.Kind)
	}
	maps.Copy(w.states, changed)
	return nil
}

// acme decides a command of account acme and gives what was said to it.
func (w *world) acme(c shard.Command, err error) (said shard.Answer) {
	w.t.Helper()
	if err := w.fold(shards.Account("acme"), c, err); err != nil {
		w.t.Fatal(err)
	}
	w.read(shard.AnswerKey(c.ID), &said)
	return said
}

func (w *world) read(key string, into any) {
	w.t.Helper()
	if err := json.Unmarshal(w.states[key], into); err != nil {
		w.t.Fatalf("%s: %v", key, err)
	}
}

func (w *world) tokens() (all access.Tokens) {
	w.t.Helper()
	w.read(access.TokensKey("acme"), &all)
	return all
}
