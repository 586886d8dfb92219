package app_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// callsAtOnce is how many calls a lane has under way at most.
const callsAtOnce = 64

// TestKilledGatewayLosesNothing kills the gateway again and again, at any moment, while webhooks stream in and a broadcast
// goes out, and starts it anew on the same data.
func TestKilledGatewayLosesNothing(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(fake.Send) fake.Outcome { return fake.Outcome{Hang: 200 * time.Millisecond} } // a kill meets calls under way
		})
		random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
		w.rate(60)
		c := w.spawn()
		all := people(2000, 200)
		early, late := all[:20], all[180:]
		for _, p := range early {
			w.says(p, "STOP")
		}
		w.barred(early...)
		id := w.broadcast(all, nil)

		var events []fake.Event
		for i := range 380 {
			events = append(events, fake.Text(acme, person(3000+i%100), fmt.Sprintf("good morning %d", i), time.Now()))
		}
		for _, p := range late {
			at := random.IntN(len(events))
			events = slices.Insert(events, at, fake.Text(acme, p, "STOP", time.Now()))
		}
		stream := w.stream(events)
		kills := 4
		if len(on.kafka) > 0 {
			kills = 2 // a group waits 6 s for each member that was killed
		}
		for n := range kills {
			if n == 0 { // while many calls are under way
				eventually(t, "the broadcast runs", func() bool { return len(w.meta.Sends()) > 40 })
			} else {
				quiet(t, time.Duration(random.Int64N(900))*time.Millisecond)
			}
			c.kill()
			c = w.spawn()
		}
		acknowledged := stream()

		out := slices.Concat(early, late)
		w.barred(out...)
		now := w.finished("acme", id)
		w.settled()
		ids := w.keptIDs()
		for _, wamid := range acknowledged {
			if !ids[wamid] {
				t.Error("a webhook was answered 200, and its message is not kept")
			}
		}
		sends, calls := w.meta.Sends(), offers(w.meta.Sends())
		unknown := w.unknownMessages()
		lost := 0
		for _, p := range out {
			n := len(w.confirmations(p))
			if n == 0 && unknown[p.Phone] {
				lost++
				continue
			}
			if n != 1 {
				t.Errorf("%d confirmations", n)
			}
		}
		if cut, most := lost+now.Totals.Unknown, kills*callsAtOnce; cut == 0 || cut > most {
			t.Errorf("%d confirmations and %d rows are Unknown, of at most %d calls", lost, now.Totals.Unknown, most)
		}
		for _, p := range early {
			if len(calls[p.Phone]) > 0 {
				t.Error("who opted out before the broadcast was called")
			}
		}
		if now.Totals.Audience != len(all) || now.Totals.Skipped < len(early) {
			t.Errorf("totals %+v", now.Totals)
		}
		calledOnce(t, sends)
		bulkEndsWithConfirmation(t, sends)
		w.ledgerChanges(t)
		t.Logf("%d webhooks, %d calls; Unknown are %d confirmations and %d rows", len(acknowledged), len(sends), lost, now.Totals.Unknown)

		after := w.broadcast(out, nil)
		if now := w.finished("acme", after); now.Totals.Skipped != len(out) {
			t.Errorf("a broadcast to those who opted out: %+v", now.Totals)
		}
	})
}

// stream delivers events one by one, several at a time and each until it is answered 200, and gives a function that waits
// for the end and says which messages were acknowledged.
func (w *world) stream(events []fake.Event) (acknowledged func() []string) {
	queue := make(chan fake.Event)
	var mu sync.Mutex
	var ids []string
	var posts sync.WaitGroup
	for range 4 {
		posts.Go(func() {
			for e := range queue {
				if _, err := w.meta.Deliver(w.t.Context(), fake.Body(e)); err != nil {
					w.t.Error(err)
					continue
				}
				mu.Lock()
				ids = append(ids, e.ID)
				mu.Unlock()
			}
		})
	}
	go func() {
		defer close(queue)
		tick := time.NewTicker(8 * time.Millisecond)
		defer tick.Stop()
		for _, e := range events {
			<-tick.C
			queue <- e
		}
	}()
	return func() []string {
		posts.Wait()
		return ids
	}
}
