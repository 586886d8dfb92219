package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"optgate/gateway/meta/fake"
)

// parcel is a webhook on its way.
type parcel struct {
	body   []byte
	said   []*heard
	repeat bool // it comes again though it was answered 200
}

// heard is a saying with what became of its webhook.
type heard struct {
	saying
	posted time.Time // first
	acked  time.Time // zero: never yet
}

// courier delivers what the crowd says: several items in a webhook, webhooks out of order and some of them twice, each
// until it is answered 200.
type courier struct {
	meta *fake.Meta
	rate float64 // items a second

	mu   sync.Mutex
	said []*heard
}

const (
	perBody    = 5  // items of a webhook at most
	heldBack   = 8  // webhooks that wait, to leave in another order
	underWay   = 48 // webhooks at a time
	againOneOf = 12 // webhooks that come again
)

// run delivers until ctx ends, and then until everything is answered 200 or patience ends.
func (c *courier) run(ctx, patience context.Context, crowd *crowd, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 12)) //nolint:gosec // it must repeat
	free := make(chan struct{}, underWay)
	var posts sync.WaitGroup
	defer posts.Wait()
	var held []parcel
	release := func() {
		i := random.IntN(len(held))
		one := held[i]
		held = append(held[:i], held[i+1:]...)
		free <- struct{}{}
		posts.Go(func() {
			defer func() { <-free }()
			c.deliver(patience, one)
		})
	}
	began := time.Now()
	for made := 0; ctx.Err() == nil; {
		if !pause(ctx, time.Until(began.Add(time.Duration(float64(made)/c.rate*float64(time.Second))))) {
			break
		}
		n := 1 + random.IntN(perBody)
		made += n
		if late := time.Since(began) - time.Duration(float64(made)/c.rate*float64(time.Second)); late > time.Second {
			began = began.Add(late) // an outage is not made up for
		}
		one := c.pack(crowd, n)
		held = append(held, one)
		if random.IntN(againOneOf) == 0 {
			one.repeat = true
			held = append(held, one)
		}
		for len(held) > heldBack {
			release()
		}
	}
	for len(held) > 0 {
		release()
	}
}

func (c *courier) pack(crowd *crowd, items int) parcel {
	var one parcel
	var events []fake.Event
	for range items {
		e, s := crowd.next(time.Now())
		events = append(events, e)
		one.said = append(one.said, &heard{saying: s})
	}
	one.body = fake.Body(events...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, one.said...)
	return one
}

func (c *courier) deliver(ctx context.Context, one parcel) {
	c.note(one, func(h *heard) {
		if h.posted.IsZero() {
			h.posted = time.Now()
		}
	})
	if _, err := c.meta.Deliver(ctx, one.body); err != nil {
		return // time is up: it shows as never acknowledged
	}
	c.note(one, func(h *heard) {
		if h.acked.IsZero() {
			h.acked = time.Now()
		}
	})
}

func (c *courier) note(one parcel, change func(*heard)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range one.said {
		change(h)
	}
}

// all gives a copy of what was said so far.
func (c *courier) all() []heard {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := make([]heard, len(c.said))
	for i, h := range c.said {
		said[i] = *h
	}
	return said
}

// pause waits; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
