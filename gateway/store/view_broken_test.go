package store_test

import (
	"strings"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
)

// A script may break off halfway, as when a Cluster is moving the slot. What was derived from the old state must still be
// found by whoever repeats the change, since the state is written last.
func TestAChangeThatBrokeOffIsRepeatedWhole(t *testing.T) {
	server := memory(t)
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "x.", Shards: testShards})
	defer s.Close() //nolint:errcheck // nothing is left to lose
	p, barred := person(1, "default", "wa", true)
	o := lead(t, s, testShards.Of(p), 1)
	o.move(time.Minute, barred)
	var set string
	for _, name := range server.Keys() {
		if strings.Contains(name, "}l/acme/default/wa/") {
			set = name
		}
	}
	members, err := server.SMembers(set)
	if err != nil {
		t.Fatal(err)
	}

	server.Del(set)
	if err := server.Set(set, "of another type"); err != nil {
		t.Fatal(err)
	}
	states, err := o.v.Load(t.Context(), o.at, []string{barred.Key})
	if err != nil {
		t.Fatal(err)
	}
	_, free := person(1, "default", "wa", false)
	free.Old = states[0]
	next := shard.Position{Generation: o.at.Generation, Next: o.at.Next + 1, Whole: true}
	if _, err := o.v.Apply(t.Context(), o.at, next, []shard.Change{free}, time.Time{}); err == nil {
		t.Fatal("nothing broke off")
	}
	server.Del(set)
	if _, err := server.SetAdd(set, members...); err != nil {
		t.Fatal(err)
	}
	if a := ask(t.Context(), s, p, "wa", "default"); a.Verdict != gate.Skip {
		t.Fatalf("the test has spoiled the set: %+v", a)
	}

	if states, err = o.v.Load(t.Context(), o.at, []string{barred.Key}); err != nil {
		t.Fatal(err)
	}
	free.Old = states[0]
	o.move(time.Minute, free)
	if a := ask(t.Context(), s, p, "wa", "default"); a.Verdict != gate.Go {
		t.Errorf("the gate says %+v", a)
	}
}
