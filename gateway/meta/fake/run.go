package fake

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Plan says what Run delivers.
type Plan struct {
	Rate    float64 // items a second; 0: as fast as they are answered
	Items   int     // how many in all; 0: until the context ends
	Batch   int     // at most so many in one body, at random; 0: one
	Again   float64 // share of bodies that come a second time, though they were answered 200
	Shuffle int     // so many bodies are held back and leave in random order
	Posts   int     // bodies under way at a time; 0: eight
	Seed    uint64

	// Each is told of every item before its body leaves; nil: nobody is. It is called by one goroutine.
	Each func(Event)
	// Kept is told how long each body's first answer of 200 took from its first post; nil: nobody is.
	Kept func(time.Duration)
}

// Tally is what Run has delivered.
type Tally struct {
	Items  int64 // in bodies that were answered 200, each counted once
	Bodies int64 // answered 200, repeats included
	Posts  int64 // all of them
}

// Run makes up events and delivers them as planned, each body until it is answered 200. It returns when all are, or when
// ctx ends; then what was under way is not in the tally, and may or may not have been kept.
func (m *Meta) Run(ctx context.Context, g *Generator, p Plan) Tally {
	if p.Posts <= 0 {
		p.Posts = 8
	}
	random := rand.New(rand.NewPCG(p.Seed, 3)) //nolint:gosec // it must repeat
	r := runner{meta: m, plan: p, random: random, free: make(chan struct{}, p.Posts)}
	began, made := time.Now(), 0
	for ctx.Err() == nil && (p.Items == 0 || made < p.Items) {
		n := 1 + r.random.IntN(max(1, p.Batch))
		if p.Items > 0 {
			n = min(n, p.Items-made)
		}
		if p.Rate > 0 && !pause(ctx, time.Until(began.Add(time.Duration(float64(made)/p.Rate*float64(time.Second))))) {
			break
		}
		var events []Event
		for range n {
			e := g.Next(time.Now())
			if len(events) > 0 && objects[e.To.Platform] != objects[events[0].To.Platform] {
				r.offer(ctx, events) // another platform is another envelope
				events = nil
			}
			if p.Each != nil {
				p.Each(e)
			}
			events = append(events, e)
		}
		made += n
		r.offer(ctx, events)
	}
	for len(r.held) > 0 {
		r.release(ctx)
	}
	r.posts.Wait()
	return Tally{Items: r.items.Load(), Bodies: r.bodies.Load(), Posts: r.posted.Load()}
}

// runner delivers bodies, several at a time.
type runner struct {
	meta   *Meta
	plan   Plan
	random *rand.Rand
	free   chan struct{}
	held   []parcel
	posts  sync.WaitGroup

	items, bodies, posted atomic.Int64
}

// parcel is a body to deliver; items is 0 for a repeat.
type parcel struct {
	body  []byte
	items int
}

// offer holds a body back until enough others are held too.
func (r *runner) offer(ctx context.Context, events []Event) {
	body := Body(events...)
	r.held = append(r.held, parcel{body, len(events)})
	if r.random.Float64() < r.plan.Again {
		r.held = append(r.held, parcel{body, 0})
	}
	for len(r.held) > r.plan.Shuffle {
		r.release(ctx)
	}
}

// release delivers one of the bodies held back.
func (r *runner) release(ctx context.Context) {
	i := r.random.IntN(len(r.held))
	one := r.held[i]
	r.held = append(r.held[:i], r.held[i+1:]...)
	select {
	case r.free <- struct{}{}:
	case <-ctx.Done():
		return
	}
	r.posts.Go(func() {
		defer func() { <-r.free }()
		began := time.Now()
		posts, err := r.meta.Deliver(ctx, one.body)
		r.posted.Add(int64(posts))
		if err != nil {
			return
		}
		r.bodies.Add(1)
		r.items.Add(int64(one.items))
		if r.plan.Kept != nil {
			r.plan.Kept(time.Since(began))
		}
	})
}

// pause waits; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
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
