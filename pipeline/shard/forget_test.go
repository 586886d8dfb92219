package shard_test

import (
	"encoding/json"
	"testing"

	"optgate/pipeline/shard"
)

func TestOnlyOldAnswersAreForgotten(t *testing.T) {
	day := shard.AnswersKept.Milliseconds()
	state := func(made int64) []byte {
		raw, err := json.Marshal(shard.Answer{V: 1, OK: true, Made: made})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	body, err := json.Marshal(shard.Forget{Commands: []string{"old", "young", "missing"}})
	if err != nil {
		t.Fatal(err)
	}
	c := shard.Command{V: 1, ID: "f", Kind: shard.CommandForget, Made: 10 * day, Body: body}
	fold := shard.ForgetRules()[shard.CommandForget]
	keys, err := fold.Keys(shard.Place{Shards: 1}, c)
	if err != nil || len(keys) != 3 {
		t.Fatalf("%v, %v", keys, err)
	}
	turn := shard.NewTurn(shard.Place{Shards: 1}, map[string][]byte{"answer/old": state(9 * day), "answer/young": state(9*day + 1), "answer/missing": nil}, nil)
	if err := fold.Apply(turn, c); err != nil {
		t.Fatal(err)
	}
	states, _, _ := turn.Said()
	if gone, decided := states["answer/old"]; !decided || gone != nil || len(states) != 1 {
		t.Errorf("%v", states)
	}
	if _, err := fold.Keys(shard.Place{}, shard.Command{Body: []byte(`{}`)}); err == nil {
		t.Error("nothing to forget is no command")
	}
}
