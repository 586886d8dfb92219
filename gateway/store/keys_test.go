package store_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"optgate/gateway/store"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// eachSingle runs a test on every single Redis there is: what a Cluster's nodes hold can't be listed in one go.
func eachSingle(t *testing.T, test func(t *testing.T, s *store.Store, addresses []string)) {
	run := func(name, address string) {
		t.Run(name, func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: address})
			s := store.Open(store.Config{Addresses: []string{address}, Prefix: "windowstest.", Shards: testShards})
			t.Cleanup(func() {
				if err := errors.Join(flush(context.WithoutCancel(t.Context()), client), client.Close(), s.Close()); err != nil {
					t.Error(err)
				}
			})
			if err := flush(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			test(t, s, []string{address})
		})
	}
	run("embedded", miniredis.RunT(t).Addr())
	if address := os.Getenv("OPTGATE_TEST_REDIS"); address != "" {
		run("real", address)
	}
}

// direct gives all keys of the Redis a store uses, read past it.
func direct(t *testing.T, addresses []string) (keys []string) {
	t.Helper()
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addresses})
	defer func() { _ = client.Close() }()
	all := client.Scan(t.Context(), 0, "windowstest.*", 10_000).Iterator()
	for all.Next(t.Context()) {
		keys = append(keys, all.Val())
	}
	if err := all.Err(); err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestAWholeLoadLeavesNothingOfTheViewBefore(t *testing.T) {
	eachSingle(t, func(t *testing.T, s *store.Store, addresses []string) {
		owners := filled(t, s, 40)
		owners[testShards.Account("acme")].move(time.Minute, shard.Change{Key: optout.AccountKey("acme"), New: account(t, "stop")})
		if len(direct(t, addresses)) < 40 {
			t.Fatal("the test filled nothing")
		}
		for at := range owners {
			v := s.View(at)
			seen, err := v.Position(t.Context())
			if err == nil {
				err = v.Begin(t.Context(), seen, shard.Position{Generation: 2})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range direct(t, addresses) {
			if !strings.HasSuffix(key, "}applied") && !strings.HasSuffix(key, "}applied_at") {
				t.Errorf("%s is left", key)
			}
		}
	})
}

func TestAListIsSetsOfIntegers(t *testing.T) {
	eachSingle(t, func(t *testing.T, s *store.Store, addresses []string) {
		filled(t, s, 500)
		client := redis.NewClient(&redis.Options{Addr: addresses[0]})
		defer func() { _ = client.Close() }()
		sets := 0
		for _, key := range direct(t, addresses) {
			if !strings.Contains(key, "}l/") {
				continue
			}
			sets++
			if encoding, err := client.ObjectEncoding(t.Context(), key).Result(); err == nil && encoding != "intset" {
				t.Errorf("a set is kept as %s", encoding)
			}
		}
		if sets < 64 {
			t.Errorf("%d sets", sets)
		}
	})
}
