package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"optgate/gateway/store"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// A script may break off halfway, as when a Cluster is moving the slot. What was derived from the old state must still be
// found by whoever repeats the change, since the state is written last.
func TestAChangeThatBrokeOffIsRepeatedWhole(t *testing.T) {
	server := miniredis.RunT(t)
	server.ClockTTL(true)
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "x.", Shards: testShards})
	defer s.Close() //nolint:errcheck // nothing is left to lose
	o := lead(t, s, testShards.Account("acme"), 1)
	key := optout.AccountKey("acme")
	o.move(time.Minute, shard.Change{Key: key, New: account(t, "stop", "basta")})
	var words string
	for _, name := range server.Keys() {
		if strings.HasSuffix(name, "}w/acme") {
			words = name
		}
	}
	members, err := server.SMembers(words)
	if err != nil {
		t.Fatal(err)
	}

	server.Del(words)
	if err := server.Set(words, "of another type"); err != nil {
		t.Fatal(err)
	}
	states, err := o.v.Load(t.Context(), o.at, []string{key})
	if err != nil {
		t.Fatal(err)
	}
	change := shard.Change{Key: key, Old: states[0], New: account(t, "stop")}
	next := shard.Position{Generation: o.at.Generation, Next: o.at.Next + 1, Whole: true}
	if _, err := o.v.Apply(t.Context(), o.at, next, []shard.Change{change}, time.Time{}); err == nil {
		t.Fatal("nothing broke off")
	}
	server.Del(words)
	if _, err := server.SetAdd(words, members...); err != nil {
		t.Fatal(err)
	}

	if states, err = o.v.Load(t.Context(), o.at, []string{key}); err != nil {
		t.Fatal(err)
	}
	change.Old = states[0]
	o.move(time.Minute, change)
	if found, err := s.Keywords(t.Context(), "acme", []string{"stop", "basta"}); err != nil || len(found) != 1 {
		t.Errorf("the keywords are %v, %v", found, err)
	}
}
