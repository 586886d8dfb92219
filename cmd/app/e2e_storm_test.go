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

// TestRedeliveryHasOneEffect delivers every webhook five times, in any order and batched with strangers, as Meta may.
func TestRedeliveryHasOneEffect(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		random := rand.New(rand.NewPCG(10, 10))
		began := time.Now().Add(-time.Minute)
		out, back, offAtMeta := people(100, 30), people(130, 10), people(140, 5)
		var events []fake.Event
		typed := slices.Clone(out) // as each is shown with the STOP
		for i, p := range out {
			if i%3 == 0 { // a BSUID beside the phone, and later alone
				p.BSUID = fmt.Sprintf("GB.9021%012d", i)
				events = append(events, fake.Text(acme, p, "it is me", began))
				typed[i] = fake.Person{BSUID: p.BSUID}
			}
			events = append(events, fake.Text(acme, typed[i], "STOP", began.Add(time.Second)))
		}
		for i, p := range back { // STOP and START; the second of them is the later one
			words := []string{"STOP", "START"}
			if i%2 == 0 {
				words = []string{"START", "STOP"}
			}
			events = append(events, fake.Text(acme, p, words[0], began), fake.Text(acme, p, words[1], began.Add(10*time.Second)))
		}
		for _, p := range offAtMeta {
			events = append(events, fake.Preference(acme, p, true, began))
		}
		for i := range 60 {
			events = append(events, fake.Text(acme, person(200+i), "hello", began))
		}
		w.storm(random, events)

		w.barred(out...)
		w.barred(offAtMeta...)
		for i, p := range back {
			if i%2 == 0 {
				w.barred(p)
			} else {
				w.allowed(p)
			}
		}
		w.confirmed(typed...)
		w.settled()
		for i, p := range typed {
			got := len(w.confirmations(p))
			if p != out[i] {
				got += len(w.confirmations(out[i]))
			}
			if got != 1 {
				t.Errorf("person %d has %d confirmations", i, got)
			}
		}
		for _, p := range offAtMeta {
			if got := w.confirmations(p); len(got) != 0 {
				t.Errorf("Meta's switch was confirmed %d times", len(got))
			}
		}
		calledOnce(t, w.meta.Sends())
		w.ledgerChanges(t)
	})
}

// storm delivers each event five times, in random order and random company.
func (w *world) storm(random *rand.Rand, events []fake.Event) {
	var five []fake.Event
	for range 5 {
		five = append(five, events...)
	}
	random.Shuffle(len(five), func(i, j int) { five[i], five[j] = five[j], five[i] })
	bodies := make(chan []byte)
	var posts sync.WaitGroup
	for range 4 {
		posts.Go(func() {
			for body := range bodies {
				if _, err := w.meta.Deliver(w.t.Context(), body); err != nil {
					w.t.Error(err)
				}
			}
		})
	}
	for len(five) > 0 {
		n := min(len(five), 1+random.IntN(7))
		bodies <- fake.Body(five[:n]...)
		five = five[n:]
	}
	close(bodies)
	posts.Wait()
}

// settled waits until what was delivered before has had all its effects: somebody who opts out now is confirmed last.
func (w *world) settled() {
	w.t.Helper()
	last := person(90_000 + rand.IntN(9_000))
	w.says(last, "STOP")
	w.confirmed(last)
}
