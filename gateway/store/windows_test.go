package store_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"optgate/gateway/store"
	"optgate/pipeline/fault"
	"optgate/ratelimit"
)

// eachRedis runs a test on the Redis inside the process and, where OPTGATE_TEST_REDIS and OPTGATE_TEST_REDIS_CLUSTER name
// them, on a real one and a real Cluster.
func eachRedis(t *testing.T, test func(t *testing.T, s *store.Store, wipe func())) {
	run := func(name string, addresses ...string) {
		t.Run(name, func(t *testing.T) {
			client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addresses})
			s := store.Open(store.Config{Addresses: addresses, Prefix: "windowstest.", Shards: 8})
			t.Cleanup(func() {
				if err := errors.Join(s.Close(), client.Close()); err != nil {
					t.Error(err)
				}
			})
			wipe := func() {
				if err := flush(t.Context(), client); err != nil {
					t.Fatal(err)
				}
			}
			wipe()
			test(t, s, wipe)
		})
	}
	run("embedded", memory(t).Addr())
	if address := os.Getenv("OPTGATE_TEST_REDIS"); address != "" {
		run("real", address)
	}
	if addresses := os.Getenv("OPTGATE_TEST_REDIS_CLUSTER"); addresses != "" {
		run("cluster", strings.Split(addresses, ",")...)
	}
}

// memory is a Redis inside the process whose keys end, as gateway/embedded's do.
func memory(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.RunT(t)
	ended := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for last := time.Now(); ; {
			select {
			case now := <-ticks.C:
				m.FastForward(now.Sub(last))
				last = now
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	return m
}

func flush(ctx context.Context, client redis.UniversalClient) error {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() })
	}
	return client.FlushAll(ctx).Err()
}

func mustTake(t *testing.T, w *store.Windows, key string, limit int, period time.Duration) ratelimit.Decision {
	t.Helper()
	d, err := w.Take(t.Context(), key, limit, period)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheEleventhCallIsRefusedOverAllReplicas(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		const limit, replicas, calls = 10, 20, 30
		period := time.Minute
		var mu sync.Mutex
		var allowed int
		var all sync.WaitGroup
		for range replicas {
			all.Go(func() {
				for range calls {
					d, err := s.Windows(ratelimit.StartAfresh).Take(t.Context(), "api/token", limit, period)
					if err != nil {
						t.Error(err)
						return
					}
					if d.Allowed {
						mu.Lock()
						allowed++
						mu.Unlock()
					} else if d.Retry <= 0 || d.Retry > period {
						t.Errorf("refused for %v", d.Retry)
					}
				}
			})
		}
		all.Wait()
		if allowed != limit {
			t.Errorf("%d calls were allowed, want %d", allowed, limit)
		}
		if d := mustTake(t, s.Windows(ratelimit.StartAfresh), "api/other", limit, period); !d.Allowed || d.Remaining != limit-1 {
			t.Errorf("another key: %+v", d)
		}
	})
}

func TestARefusedCallMayGoAfterRetry(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		const period = 300 * time.Millisecond
		w := s.Windows(ratelimit.StartAfresh)
		began := time.Now()
		for n := range 3 {
			if d := mustTake(t, w, "k", 3, period); !d.Allowed || d.Remaining != 2-n {
				t.Fatalf("call %d: %+v", n, d)
			}
		}
		refused := mustTake(t, w, "k", 3, period)
		if refused.Allowed || refused.Remaining != 0 || refused.Retry > refused.Reset || refused.Reset > period {
			t.Fatalf("the fourth: %+v", refused)
		}
		for wait := range time.Tick(5 * time.Millisecond) {
			if mustTake(t, w, "k", 3, period).Allowed {
				// Redis took its time of the first call after began.
				if wait.Sub(began) < period-5*time.Millisecond {
					t.Errorf("allowed again after %v", wait.Sub(began))
				}
				return
			}
			if wait.Sub(began) > 10*time.Second {
				t.Fatal("never allowed again")
			}
		}
	})
}

func TestAfterAWipeOnlyLimitsThatProtectOthersWait(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		ours, theirs := s.Windows(ratelimit.StartAfresh), s.Windows(ratelimit.WaitOut)
		const period = 250 * time.Millisecond
		wipe()
		if d := mustTake(t, theirs, "server", 10, period); d.Allowed || d.Retry <= 0 || d.Retry > period {
			t.Errorf("right after the wipe, others: %+v", d)
		}
		for n := range 64 { // keys of every shard: each remembers for itself
			if d := mustTake(t, ours, "token/"+strconv.Itoa(n), 10, period); !d.Allowed {
				t.Errorf("right after the wipe, ourselves: %+v", d)
			}
		}
		began := time.Now()
		for now := range time.Tick(5 * time.Millisecond) {
			if mustTake(t, theirs, "server", 10, period).Allowed {
				break
			}
			if now.Sub(began) > 10*time.Second {
				t.Fatal("others are never called again")
			}
		}
		if d := mustTake(t, theirs, "new", 1, period); d.Retry > period/2 { // its shard may have been asked a little later
			t.Errorf("a key that was never used waits without a loss: %+v", d)
		}
	})
}

func TestNoCallUnderALimitOfZero(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		if d := mustTake(t, s.Windows(ratelimit.StartAfresh), "k", 0, time.Minute); d.Allowed || d.Retry != time.Minute {
			t.Errorf("%+v", d)
		}
	})
}

func TestWindowsSayWhenRedisIsAway(t *testing.T) {
	server := miniredis.RunT(t)
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "x.", Shards: 2})
	t.Cleanup(func() { _ = s.Close() })
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if d, err := s.Windows(ratelimit.StartAfresh).Take(ctx, "k", 1, time.Second); fault.KindOf(err) != fault.Unavailable || d.Allowed {
		t.Errorf("window: %+v, %v", d, err)
	}
	if r, err := s.Reserve(ctx, "k", time.Second, 1, time.Second); fault.KindOf(err) != fault.Unavailable || r.Slots > 0 {
		t.Errorf("line: %+v, %v", r, err)
	}
}

// Any calls at any times, with clocks that jump back: no span of a period holds more than the limit, and nobody is refused
// where there was room.
func TestWindowsAreExact(t *testing.T) {
	server := miniredis.RunT(t)
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "x.", Shards: 2})
	t.Cleanup(func() { _ = s.Close() })
	w := s.Windows(ratelimit.StartAfresh)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		key := "exact/" + strconv.Itoa(run)
		now := time.Unix(1_800_000_000, 0)
		limit := rapid.IntRange(1, 12).Draw(rt, "limit")
		period := 60 * time.Second
		var calls []time.Time
		for range rapid.IntRange(1, 60).Draw(rt, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 15_000_000).Draw(rt, "step")) * time.Microsecond)
			server.SetTime(now)
			d, err := w.Take(context.Background(), key, limit, period)
			if err != nil {
				rt.Fatal(err)
			}
			calls = slices.DeleteFunc(calls, func(at time.Time) bool { return now.Sub(at) >= period })
			if room := len(calls) < limit; d.Allowed != room {
				rt.Fatalf("%d calls in the period before, limit %d: allowed %v", len(calls), limit, d.Allowed)
			}
			if d.Allowed {
				last := now
				if len(calls) > 0 && !now.After(calls[len(calls)-1]) {
					last = calls[len(calls)-1].Add(time.Microsecond)
				}
				calls = append(calls, last)
			} else if want := calls[0].Add(period).Sub(now); d.Retry != want {
				rt.Fatalf("retry after %v, want %v", d.Retry, want)
			}
			if d.Remaining != limit-len(calls) {
				rt.Fatalf("%d remain of %d after %d", d.Remaining, limit, len(calls))
			}
		}
	})
}

func TestPlacesInALineAreOnceEachOverAllReplicas(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		const askers, each = 20, 5
		interval := 10 * time.Millisecond
		var mu sync.Mutex
		var places []time.Duration
		zero := time.Now()
		var all sync.WaitGroup
		for range askers {
			all.Go(func() {
				r, err := s.Reserve(t.Context(), "acme/wa", interval, each, time.Minute)
				answered := time.Since(zero)
				if err != nil || r.Slots != each {
					t.Errorf("%+v, %v", r, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for n := range r.Slots {
					places = append(places, answered+r.Wait+time.Duration(n)*interval)
				}
			})
		}
		all.Wait()
		slices.Sort(places)
		if len(places) != askers*each {
			t.Fatalf("%d places", len(places))
		}
		// Answers take their time, so places are known with the error of one round trip, but never all of it.
		if took := places[len(places)-1] - places[0]; took < (askers*each-1)*interval-500*time.Millisecond {
			t.Errorf("%d places 10 ms apart within %v", len(places), took)
		}
		if places[0] < time.Second-100*time.Millisecond {
			t.Errorf("first place after %v: nobody can know who stood in the line before", places[0])
		}
	})
}

func TestALineIsNoLongerThanAnAskerWouldWait(t *testing.T) {
	server := miniredis.RunT(t)
	server.SetTime(time.Unix(1_800_000_000, 0))
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "x.", Shards: 2})
	t.Cleanup(func() { _ = s.Close() })
	ask := func(n int, ahead time.Duration) ratelimit.Reservation {
		t.Helper()
		r, err := s.Reserve(t.Context(), "acme/wa", 100*time.Millisecond, n, ahead)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	interval := 100 * time.Millisecond
	if r := ask(5, 500*time.Millisecond); r.Slots != 0 || r.Wait != 500*time.Millisecond {
		t.Errorf("a line that begins in 1 s: %+v", r)
	}
	server.SetTime(time.Unix(1_800_000_010, 0))
	if r := ask(100, 500*time.Millisecond); r != (ratelimit.Reservation{Slots: 6, Interval: interval}) {
		t.Errorf("500 ms ahead: %+v", r)
	}
	if r := ask(1, 500*time.Millisecond); r.Slots != 0 || r.Wait != interval {
		t.Errorf("a full line: %+v", r)
	}
	if r := ask(1, time.Minute); r != (ratelimit.Reservation{Slots: 1, Wait: 600 * time.Millisecond, Interval: interval}) {
		t.Errorf("who waits longer: %+v", r)
	}
	server.FlushAll()
	if r := ask(1, time.Minute); r.Slots != 1 || r.Wait != time.Second {
		t.Errorf("after a wipe: %+v", r)
	}
}

// What one replica was refused for slows all of them, halves once a second, comes back by tenths, and is lost with Redis.
func TestALineIsSlowedForTheWholeFleet(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		rate := func(want float64) {
			t.Helper()
			r, err := s.Reserve(t.Context(), "acme/wa", 10*time.Millisecond, 1, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if got := float64(time.Second) / float64(r.Interval); got < want*0.99 || got > want*1.01 {
				t.Errorf("%v messages a second, want %v", got, want)
			}
			if share, err := s.Share(t.Context(), "acme/wa"); err != nil || share < want/101 || share > want/99 {
				t.Errorf("share %v: %v", share, err)
			}
		}
		rate(100)
		var all sync.WaitGroup
		for range 20 { // processes
			all.Go(func() {
				if err := s.Slow(t.Context(), "acme/wa"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		rate(50)
		if r, err := s.Reserve(t.Context(), "acme/other", 10*time.Millisecond, 1, 0); err != nil || r.Interval != 10*time.Millisecond {
			t.Errorf("another number goes every %v: %v", r.Interval, err)
		}
		wipe()
		rate(100)
	})
}

func TestASlowedLineRecoversByTenths(t *testing.T) {
	server := miniredis.RunT(t)
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "x.", Shards: 2})
	t.Cleanup(func() { _ = s.Close() })
	now := time.Now()
	at := func(later time.Duration, want float64) {
		t.Helper()
		now = now.Add(later)
		server.SetTime(now)
		if share, err := s.Share(t.Context(), "n"); err != nil || share < want-0.001 || share > want+0.001 {
			t.Errorf("share %v, want %v: %v", share, want, err)
		}
	}
	slow := func() {
		t.Helper()
		if err := s.Slow(t.Context(), "n"); err != nil {
			t.Error(err)
		}
	}
	at(0, 1)
	slow()
	at(900*time.Millisecond, 0.5)
	slow() // calls that were under way
	at(100*time.Millisecond, 0.5)
	slow()
	at(9*time.Second, 0.25)
	at(time.Second, 0.35)
	at(10*time.Second, 0.45)
	at(time.Hour, 1)
	for range 20 {
		slow()
		at(time.Second, max(1.0/32, must(s.Share(t.Context(), "n"))))
	}
	at(0, 1.0/32)
}

func must(share float64, _ error) float64 { return share }
