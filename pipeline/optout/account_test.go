package optout_test

import (
	"encoding/json"
	"maps"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

func (w *world) declare(id string, secret chat.Key, channels ...optout.DeclaredChannel) optout.Account {
	w.t.Helper()
	r, err := optout.NewAccount(w.shards, id, "acme", 1_000, secret, channels)
	if err != nil {
		w.t.Fatalf("declare: %v", err)
	}
	w.append(r)
	w.settle()
	var a optout.Account
	if err := json.Unmarshal(w.states[w.shards.Account("acme")][optout.AccountKey("acme")], &a); err != nil {
		w.t.Fatalf("account: %v", err)
	}
	return a
}

func TestAnAccountKeepsItsFirstKeyAndItsNumbers(t *testing.T) {
	w := newWorld(t, 3)
	channel := func(id string, number int) optout.DeclaredChannel {
		return optout.DeclaredChannel{ID: id, Number: number}
	}
	a := w.declare("d1", key, channel("wa", 0), channel("wb", 0))
	if string(a.Key) != string(key) || !maps.Equal(a.Numbers, map[string]int{"wa": 101, "wb": 102}) || a.V != 1 || a.ID != "acme" {
		t.Errorf("account %+v", a)
	}
	if len(a.Lists) != 2 || a.Lists[0].ID != "default" || a.Lists[1].ID != "meta" {
		t.Errorf("lists %+v", a.Lists)
	}
	a = w.declare("d2", chat.Key("another key of 16 bytes"), channel("wc", 200), channel("we", 102), channel("wd", 0))
	if string(a.Key) != string(key) {
		t.Error("the first key is kept")
	}
	if !maps.Equal(a.Numbers, map[string]int{"wa": 101, "wb": 102, "wc": 200, "we": 201, "wd": 202}) {
		t.Errorf("numbers %v", a.Numbers)
	}
	if len(a.Lists) != 2 {
		t.Errorf("lists %+v", a.Lists)
	}
	var said shard.Answer
	if err := json.Unmarshal(w.states[w.shards.Account("acme")][shard.AnswerKey("d2")], &said); err != nil || !said.OK {
		t.Errorf("answer %+v, %v", said, err)
	}
}

func TestAnAccountIsDeclaredInItsOwnShardWithAProperKey(t *testing.T) {
	n := chat.Shards(3)
	r, err := optout.NewAccount(n, "d", "acme", 1, key, nil)
	if err != nil || r.Partition != n.Account("acme") {
		t.Fatalf("record %+v, %v", r, err)
	}
	var c shard.Command
	if err := json.Unmarshal(r.Value, &c); err != nil {
		t.Fatal(err)
	}
	rule := optout.Rules()[optout.CommandDeclare]
	if _, err := rule.Keys(shard.Place{Shards: n, Shard: (r.Partition + 1) % 3}, c); err == nil {
		t.Error("declared in another shard")
	}
	c.Body = json.RawMessage(`{"key":"c2hvcnQ="}`)
	turn := shard.NewTurn(shard.Place{Shards: n, Shard: r.Partition}, map[string][]byte{optout.AccountKey("acme"): nil}, nil)
	if err := rule.Apply(turn, c); err == nil {
		t.Error("a key of 5 bytes")
	}
}
