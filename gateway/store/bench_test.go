package store_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/shard"
)

// BenchmarkView loads the states of a decision and applies it, as an owner does at each turn; with OPTGATE_TEST_REDIS on that
// Redis. The embedded one runs in this process, so that what it allocates counts, and it is several times slower.
func BenchmarkView(b *testing.B) {
	address := os.Getenv("OPTGATE_TEST_REDIS")
	if address == "" {
		address = memory(b).Addr()
	}
	s := store.Open(store.Config{Addresses: []string{address}, Prefix: fmt.Sprintf("bench%d.", time.Now().UnixNano()), Shards: testShards})
	defer func() { _ = s.Close() }()
	for _, states := range []int{2, 200} {
		var changes []shard.Change
		var keys []string
		for n := range states {
			_, c := person(n, "default", "wa", true)
			changes, keys = append(changes, c), append(keys, c.Key)
		}
		v := s.View(states % int(testShards))
		seen, err := v.Position(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		at := shard.Position{Generation: 1}
		if err := v.Begin(b.Context(), seen, at); err != nil {
			b.Fatal(err)
		}
		apply := func(b *testing.B, changes []shard.Change) {
			b.Helper()
			next := shard.Position{Generation: 1, Next: at.Next + 1, Whole: true}
			if _, err := v.Apply(b.Context(), at, next, changes, time.Now().Add(time.Minute)); err != nil {
				b.Fatal(err)
			}
			at = next
		}
		apply(b, changes)
		b.Run(fmt.Sprintf("load/states=%d", states), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Load(b.Context(), at, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("apply/states=%d", states), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				apply(b, changes)
			}
		})
	}
}
