package app_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"optgate/cmd/app"
	"optgate/gateway/embedded"
	"optgate/gateway/meta/fake"
)

// beside starts a Kafka and a Redis inside this process that the gateway is told of by their addresses.
func beside(t *testing.T) *embedded.Embedded {
	t.Helper()
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestBroadcastSurvivesRedisBeingWiped wipes Redis three times while a broadcast runs and people opt out.
func TestBroadcastSurvivesRedisBeingWiped(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		if len(on.redis) == 0 {
			on.redis = []string{beside(t).Redis}
		}
		w := begin(t, on)
		all := people(1000, 250)
		out, late := all[:25], all[240:]
		for _, p := range out {
			w.says(p, "STOP")
		}
		w.barred(out...)
		id := w.broadcast(all, nil)
		called := func() int { return len(offers(w.meta.Sends())) }
		for i, n := range []int{20, 80, 140} {
			eventually(t, fmt.Sprintf("%d people are called", n), func() bool { return called() >= n })
			w.says(late[i], "STOP")
			on.flush(t)
		}
		w.barred(late[:3]...)
		now := w.finished("acme", id)
		rows := w.report("acme", id)
		calls := offers(w.meta.Sends())
		if n := now.Totals; n.Audience != 250 || n.Skipped < len(out) || n.Sent+n.Skipped != 250 || n.Sent != len(calls) {
			t.Errorf("totals %+v after %d calls", n, len(calls))
		}
		for _, p := range out {
			if r := rows[shown(p)]; r.Status != "Skipped" || r.Error != "Optout Number" || len(calls[p.Phone]) > 0 {
				t.Errorf("who opted out before: %+v, %d calls", r, len(calls[p.Phone]))
			}
		}
		w.confirmed(slices.Concat(out, late[:3])...)
		w.settled()
		for _, p := range slices.Concat(out, late[:3]) {
			if n := len(w.confirmations(p)); n != 1 {
				t.Errorf("%d confirmations", n)
			}
		}
		calledOnce(t, w.meta.Sends())
		bulkEndsWithConfirmation(t, w.meta.Sends())
	})
}

// TestEmptyKafkaIsNotTakenForTheTruth empties Kafka beside a Redis that knows an installation.
func TestEmptyKafkaIsNotTakenForTheTruth(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		if len(on.redis) == 0 {
			on.redis = []string{beside(t).Redis}
		}
		first := on
		if len(on.kafka) == 0 {
			first.kafka, on.kafka = []string{beside(t).Kafka}, []string{beside(t).Kafka}
		}
		w := newWorld(t, first, nil)
		w.settings["shards"] = 4
		w.start()
		ada, ben := person(1500), person(1501)
		w.says(ada, "STOP")
		w.barred(ada)
		w.confirmed(ada)
		on.flush(t)
		eventually(t, "a wiped Redis knows the installation again", func() bool {
			return slices.ContainsFunc(on.keys(t), func(key string) bool { return strings.HasSuffix(key, "installation") })
		})
		w.barred(ada)
		w.stop()
		if first.kafka[0] == on.kafka[0] {
			on.drop(t)
		}
		eventually(t, "leases have run out", func() bool {
			return !slices.ContainsFunc(on.keys(t), func(key string) bool { return strings.Contains(key, "lease") })
		})
		before, sends := on.dump(t), len(w.meta.Sends())

		w.settings["kafka"].(map[string]any)["brokers"] = list(on.kafka)
		ctx, give := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if gateway, err := app.Start(ctx, w.options()); err == nil {
				gateway.Stop()
				t.Error("it started beside an empty Kafka")
			}
		}()
		defer func() { give(); <-ended }()
		var answer string
		eventually(t, "it says that it is not ready, and why", func() bool {
			var ready bool
			ready, answer = w.ready()
			return !ready && strings.Contains(answer, "human")
		})
		if status, retry := w.post(fake.Text(acme, ben, "STOP", time.Now())); status != http.StatusServiceUnavailable || retry == "" {
			t.Errorf("a webhook is answered %d, Retry-After %q", status, retry)
		}
		for _, path := range []string{"/v1/broadcasts", "/v1/messages"} {
			if status, answer := w.api(http.MethodPost, path, acmeToken, map[string]any{
				"channel": "wa", "to": shown(ben), "category": "marketing", "recipients": []any{map[string]any{"to": shown(ben)}},
				"message": map[string]any{"type": "text", "text": map[string]any{"body": "hi"}},
			}, nil); status != http.StatusServiceUnavailable {
				t.Errorf("POST %s: %d %s", path, status, answer)
			}
		}
		if r, ok := w.why("acme", ada); ok {
			t.Errorf("why is certain: %+v", r)
		}
		quiet(t, 3*time.Second) // it tries again every two
		after := on.dump(t)
		maps.DeleteFunc(before, func(key, value string) bool { return after[key] == "" && strings.HasPrefix(value, "expires") })
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("Redis was touched: %s", diff)
		}
		if topics := on.topics(t); len(topics) != 0 {
			t.Errorf("topics were made: %v", topics)
		}
		if n := len(w.meta.Sends()); n != sends {
			t.Errorf("%d messages were sent", n-sends)
		}
	})
}

// dump gives the values of all keys of the installation, and whether they stay or expire.
func (s servers) dump(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	c := s.client()
	defer c.Close()
	ctx := t.Context()
	for _, key := range s.keys(t) {
		var value any
		switch kind := c.Type(ctx, key).Val(); kind {
		case "string":
			value = c.Get(ctx, key).Val()
		case "hash":
			value = c.HGetAll(ctx, key).Val()
		case "set":
			value = c.SMembersMap(ctx, key).Val()
		case "zset":
			value = c.ZRangeWithScores(ctx, key, 0, -1).Val()
		default:
			t.Fatalf("a key of type %q", kind)
		}
		all[key] = map[bool]string{true: "stays", false: "expires"}[c.PTTL(ctx, key).Val() < 0] + fmt.Sprint(value)
	}
	return all
}

// keys gives the names of the installation's keys.
func (s servers) keys(t *testing.T) (keys []string) {
	t.Helper()
	prefix := s.prefix
	if prefix == "" {
		prefix = "optgate."
	}
	var mu sync.Mutex // masters are asked at once
	err := s.eachMaster(t.Context(), func(ctx context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		found := c.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for found.Next(ctx) {
			keys = append(keys, found.Val())
		}
		return found.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}
