package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"optgate/bench/host"
	"optgate/gateway/meta/fake"
)

// replied is how long replies took in one state of the gateway, in ms.
type replied struct {
	While   string     `json:"while"`
	Single  [3]float64 `json:"single"`  // p50, p99, most: from the request for a single message to the call of the Cloud API
	Confirm [3]float64 `json:"confirm"` // from the webhook of a STOP to the call with its confirmation, without the 2 s that it waits by design
	Sent    float64    `json:"sent"`    // messages a second that the broadcast sent meanwhile
}

// replies times replies with nothing else going on, and beside broadcasts to everybody.
func (w *world) replies(ctx context.Context, n int) (all []replied, err error) {
	states := []struct{ while, broadcast, reply string }{
		{"nothing else", "", "usual"},
		{"a million on the same number, at its 80 a second", "usual", "usual"},
		{"a million on another number, at its 80 a second", "usual", "quiet"},
		{"a million on another number, as fast as it goes", "lifted", "quiet"},
	}
	for i, s := range states {
		one, err := w.timed(ctx, s.while, s.broadcast, s.reply, i, n)
		if err != nil {
			return all, fmt.Errorf("beside %s: %w", s.while, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func (w *world) timed(ctx context.Context, while, broadcast, reply string, state, n int) (r replied, err error) {
	r.While = while
	var b shown
	if broadcast != "" {
		file, _ := csv(w.people, 1, recipients, parameters)
		audience, err := w.upload(ctx, broadcast, file)
		if err != nil {
			return r, err
		}
		if err := w.create(ctx, "", broadcast, audience, []string{"default"}, &b); err != nil {
			return r, err
		}
		for began, before := time.Now(), w.calls.count.Load(); w.calls.count.Load() < before+100; { // it runs
			if err := host.Wait(ctx, 10*time.Millisecond, began); err != nil {
				return r, err
			}
		}
	}
	began, before := time.Now(), w.calls.count.Load()
	var single, confirm []time.Duration
	for i := range n {
		took, err := w.single(ctx, reply, fmt.Sprintf("%s%d%07d", waiting, 2*state, i))
		if err != nil {
			return r, err
		}
		single = append(single, took)
	}
	confirm, err = w.confirmed(ctx, reply, state, n)
	if err != nil {
		return r, err
	}
	r.Sent = float64(w.calls.count.Load()-before-int64(2*n)) / time.Since(began).Seconds()
	r.Single, r.Confirm = spread(single), spread(confirm)
	if broadcast != "" {
		err = w.ask(ctx, http.MethodPost, "/v1/broadcasts/"+b.ID+"/cancel", "", nil, http.StatusOK, nil)
	}
	return r, err
}

// betweenReplies keeps what is timed from being a load of its own.
const betweenReplies = 50 * time.Millisecond

func (w *world) single(ctx context.Context, channel, digits string) (time.Duration, error) {
	called := w.calls.expect(digits)
	body := fmt.Sprintf(`{"channel":%q,"to":"+%s","category":"service","message":{"type":"text","text":{"body":"Hi"}}}`, channel, digits)
	began := time.Now()
	if err := w.ask(ctx, http.MethodPost, "/v1/messages", "application/json", strings.NewReader(body), http.StatusAccepted, nil); err != nil {
		return 0, err
	}
	at, err := called(ctx)
	if err != nil {
		return 0, err
	}
	return at.Sub(began), host.Wait(ctx, betweenReplies, time.Now())
}

// confirmationDelay is what a confirmation waits by design, so that it is the last thing the person gets.
const confirmationDelay = 2 * time.Second

// confirmed posts a STOP each betweenReplies, and waits for all confirmations.
func (w *world) confirmed(ctx context.Context, channel string, state, n int) (took []time.Duration, err error) {
	number := fake.Number{ID: map[string]string{"usual": "2", "quiet": "3"}[channel], WABA: "1", Platform: "whatsapp"}
	var began []time.Time
	var called []func(context.Context) (time.Time, error)
	for i := range n {
		digits := fmt.Sprintf("%s%d%07d", waiting, 2*state+1, i)
		called = append(called, w.calls.expect(digits))
		began = append(began, time.Now())
		body := fake.Body(fake.Text(number, fake.Person{Phone: digits}, "STOP", time.Now()))
		if _, err := w.hooks.Deliver(ctx, body); err != nil {
			return nil, err
		}
		if err := host.Wait(ctx, betweenReplies, time.Now()); err != nil {
			return nil, err
		}
	}
	for i, one := range called {
		at, err := one(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, at.Sub(began[i])-confirmationDelay)
	}
	return took, nil
}

// spread gives p50, p99 and the most, in ms.
func spread(all []time.Duration) [3]float64 {
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return [3]float64{ms(all[len(all)/2]), ms(all[len(all)*99/100]), ms(all[len(all)-1])}
}
