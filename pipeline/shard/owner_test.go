package shard_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// A log that ends before what the view was made from has lost decisions. The claims of an owner that tries again and again
// must not fill the gap until it looks whole.
func TestALogThatLostItsEndIsNeverOwned(t *testing.T) {
	for name, view := range map[string]shard.Position{
		"whole":    {Generation: 2, Next: 6, Whole: true},
		"loading":  {Generation: 4},
		"the last": {Generation: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.at = token(view)
				w.runs(keep, time.Hour)
				if w.at != token(view) || !w.lease.IsZero() || w.end(stream.State) != 1 || w.end(stream.Consent) != 0 {
					t.Errorf("view at %+v, lease %v, state ends at %d, consent at %d", w.at, w.lease, w.end(stream.State), w.end(stream.Consent))
				}
			})
		})
	}
}

func TestALedgerThatLostItsEndIsNeverOwned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.command("keep", kept{Keys: 1, Rows: 20})
		w.runs(keep, time.Second)
		if w.lease.IsZero() {
			t.Fatal("never owned")
		}
		w.logs[stream.Consent] = w.logs[stream.Consent][:2]
		at := w.at
		w.runs(keep, time.Hour)
		if w.end(stream.Consent) != 2 || w.at != at {
			t.Errorf("the ledger ends at %d, the view stands at %+v", w.end(stream.Consent), w.at)
		}
		w.at, w.states, w.lease = shard.Position{}, map[string][]byte{}, time.Time{} // Redis is wiped besides
		w.runs(keep, time.Hour)
		if w.end(stream.Consent) != 2 || !w.lease.IsZero() {
			t.Errorf("beside a wiped view the ledger ends at %d, the lease at %v", w.end(stream.Consent), w.lease)
		}
	})
}

// Commands that a new log would take below the cursor are read by nobody, so the shard is lost until a human has looked.
func TestCommandsThatLostTheirEndAreNeverFilledUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 5 {
			w.command("keep", kept{Keys: 1})
		}
		w.runs(keep, time.Second)
		w.logs[stream.Commands] = w.logs[stream.Commands][:2]
		at, claims := w.at, w.claims(stream.State)
		w.runs(keep, time.Minute)
		if w.at != at || w.claims(stream.State) != claims || w.lost == 0 {
			t.Errorf("the view stands at %+v, %d claims, told of %d losses", w.at, w.claims(stream.State)-claims, w.lost)
		}
	})
}

// An older Optgate would write the states of a newer one without what it doesn't know.
func TestStatesOfANewerVersionAreNotOwned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.command("keep", kept{Keys: 1})
		w.runs(keep, time.Second)
		w.states[shard.CursorKey] = []byte(`{"v":2,"command":1,"ledger":1}`)
		at, claims := w.at, w.claims(stream.State)
		w.runs(keep, time.Minute)
		if w.at != at || w.claims(stream.State) != claims || w.lost > 0 {
			t.Errorf("the view stands at %+v, %d claims, told of %d losses", w.at, w.claims(stream.State)-claims, w.lost)
		}
	})
}

// Whatever keeps a decision from being made, a shard that tries again must not flood the logs with claims.
func TestAFailureThatLastsIsTriedAgainMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refuse = func([]*stream.Record) error { return errors.New("too large") }
		w.command("keep", kept{Keys: 1, Send: true})
		w.runs(keep, time.Hour)
		if n := w.claims(stream.State); n < 10 || n > 2000 {
			t.Errorf("%d claims in an hour", n)
		}
		w.refuse = nil
		w.runs(keep, 10*time.Second)
		if w.end(stream.Events) != 1 || w.lease.IsZero() {
			t.Error("it doesn't go on when it can")
		}
	})
}

// Whoever waits for an answer looks at the cursor first, so a view that is being loaded must not show it before the answer.
func TestTheCursorIsLoadedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 30 {
			w.command("keep", kept{Keys: 200})
		}
		w.runs(keep, time.Second)
		for range 10 {
			w.at, w.states, w.chunks = shard.Position{}, map[string][]byte{}, nil // Redis wiped
			w.runs(keep, 100*time.Millisecond)
			first := slices.IndexFunc(w.chunks, func(keys []string) bool { return slices.Contains(keys, shard.CursorKey) })
			loaded := 0
			for _, keys := range w.chunks[:first+1] {
				loaded += len(keys)
			}
			if loaded != 6001 {
				t.Fatalf("the cursor was shown when %d of 6001 states were there", loaded)
			}
		}
	})
}

// A shard of millions of states is loaded in chunks, so that memory doesn't grow with it. States that were changed or deleted
// later in the log end as they must, whatever chunk that is in, and each change tells what stood there before.
func TestALogOfAnyLengthIsLoadedInChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		want := map[string]string{}
		for n := range 30_000 {
			key := fmt.Sprintf("thing/%d", n*7919%10_007)
			r := &stream.Record{Topic: stream.State, Key: []byte(key), Value: fmt.Append(nil, n)}
			want[key] = string(r.Value)
			if n%5 == 0 {
				r.Value = nil
				delete(want, key)
			}
			w.put(r)
			if n%1000 == 0 {
				w.put(&stream.Record{Topic: stream.State, Key: []byte(shard.CursorKey), Value: []byte(`{"v":1}`)})
			}
		}
		w.runs(keep, time.Second)
		if w.lease.IsZero() {
			t.Fatal("never owned")
		}
		largest := 0
		for _, keys := range w.chunks {
			largest = max(largest, len(keys))
		}
		if largest > 2001 || len(w.chunks) < 10 {
			t.Errorf("%d writes, the largest of %d states", len(w.chunks), largest)
		}
		got := map[string]string{}
		for key, state := range w.states {
			if key != shard.CursorKey {
				got[key] = string(state)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d states, and %d would be right", len(got), len(want))
		}
	})
}

// Rounds of one fetch come for all its followers, also those for whom there is nothing: that alone must not cost Redis a
// script each time.
func TestALeaseIsRenewedInTimeAndNotAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.every = 2 * time.Millisecond
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.runs(keep, 10*time.Second)
		}()
		<-time.After(time.Second)
		for range 80 {
			<-time.After(100 * time.Millisecond)
			if left := w.left(); left < time.Second {
				t.Errorf("the lease ends in %v", left)
			}
		}
		<-done
		if n := len(w.chunks); n > 150 {
			t.Errorf("%d writes to the view in 10 s of nothing", n)
		}
	})
}

// A decision that no log would take must not stop its shard.
func TestACommandThatDecidesTooMuchIsPassed(t *testing.T) {
	for name, body := range map[string]kept{"states": {Keys: 100, Bytes: 100_000}, "rows": {Keys: 1, Rows: 1_000_000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.most = 8 << 20
				w.command("keep", body)
				w.command("keep", kept{Keys: 1, Send: true})
				w.runs(keep, time.Minute)
				dead := w.logs[stream.Dead]
				if w.end(stream.Events) != 1 || len(dead) != 1 || dead[0].Header("reason") != "too_much" {
					t.Errorf("neighbours' effects %d, dead letters %v", w.end(stream.Events), dead)
				}
			})
		})
	}
}

// Rows of the ledger count, too: a batch of commands whose rows are larger than their states stays one that a log takes.
func TestABatchIsNoLargerThanALogTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.most = 8 << 20
		for range 1000 {
			w.command("keep", kept{Keys: 1, Rows: 500})
		}
		w.runs(keep, time.Minute)
		if w.lease.IsZero() || len(w.logs[stream.Dead]) > 0 || w.end(stream.Consent) < 500_000 {
			t.Errorf("%d rows, %d dead letters", w.end(stream.Consent), len(w.logs[stream.Dead]))
		}
	})
}
