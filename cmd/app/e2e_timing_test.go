package app_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
	"optgate/pipeline/gate"
)

// TestNothingIsSentOnceAnOptOutIsInForce lets a third of a broadcast's audience opt out while it runs, some in a crowd, some
// one by one with somebody watching when it takes effect.
func TestNothingIsSentOnceAnOptOutIsInForce(t *testing.T) {
	eachServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(fake.Send) fake.Outcome { return fake.Outcome{Hang: 20 * time.Millisecond} }
		})
		w.rate(120)
		w.start()
		all := people(4000, 600)
		id := w.broadcast(all, nil)
		eventually(t, "the broadcast runs", func() bool { return len(w.meta.Sends()) > 20 })

		var crowd, watched []fake.Person
		for i, p := range all {
			switch {
			case i%4 == 0:
				crowd = append(crowd, p)
			case i%20 == 1:
				watched = append(watched, p)
			}
		}
		inForce := map[string]time.Time{} // by phone: when somebody saw that it was
		var watching sync.WaitGroup
		watching.Go(func() {
			for _, p := range watched {
				w.meta.Deliver(t.Context(), fake.Body(fake.Text(acme, p, "STOP", time.Now())))
				if at := w.seenBarred(p); !at.IsZero() {
					inForce[p.Phone] = at
				}
			}
		})
		for some := range slices.Chunk(crowd, 15) {
			var events []fake.Event
			for _, p := range some {
				events = append(events, fake.Text(acme, p, "STOP", time.Now()))
			}
			w.deliver(events...)
			quiet(t, 150*time.Millisecond)
		}
		watching.Wait()
		now := w.finished("acme", id)
		w.confirmed(crowd...)
		w.confirmed(watched...)

		calls := offers(w.meta.Sends())
		latest, latestPossible := -time.Hour, -time.Hour
		for phone, seen := range inForce {
			for _, call := range calls[phone] {
				latest = max(latest, call.At.Sub(seen))
			}
		}
		for phone, decided := range w.decisions() {
			for _, call := range calls[phone] {
				latestPossible = max(latestPossible, call.At.Sub(decided))
			}
		}
		// From the ledger's row to the view it takes as long as Kafka takes to keep the state: that is told, not judged.
		t.Logf("%+v; the latest call began %v after an opt-out was seen in force, and at most %v after one was decided",
			now.Totals, latest, latestPossible)
		if latest >= gate.Good {
			t.Errorf("a call began %v after somebody had seen that the opt-out was in force", latest)
		}
		if len(inForce) < len(watched) || now.Totals.Skipped < 40 {
			t.Errorf("%d of %d were watched, %d skipped: the story tells too little", len(inForce), len(watched), now.Totals.Skipped)
		}
		bulkEndsWithConfirmation(t, w.meta.Sends())
		calledOnce(t, w.meta.Sends())
	})
}

// seenBarred asks about somebody until they are barred, and gives the time of that answer; zero: it never came.
func (w *world) seenBarred(who fake.Person) time.Time {
	ticker := time.NewTicker(3 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-ticker.C {
		if r, ok := w.why("acme", who); ok && !r.Allowed {
			return time.Now()
		}
	}
	return time.Time{}
}
