package bus

import (
	"context"
	"slices"
	"sync"
)

// appends joins what the owned logs of this process append: while as many requests as may be are on their way to a leader,
// what else comes for it waits and makes the next one. A lone append waits for nothing. An owner's own batch is never
// merged with another's: each keeps its producer, its sequence and its answer.
type appends struct {
	mu  sync.Mutex
	way map[int32]*road // by leader
}

// road is what is on its way to one leader, and what waits for it, in the order of its coming.
type road struct {
	busy    int // requests
	waiting []*posted
}

// abreast is how many requests of owned logs are on their way to a leader at once. With one, a partition whose replicas
// are slow would hold up all the others; with as many as there are owners, Kafka would pay for each.
const abreast = 2

// posted is one owner's batch.
type posted struct {
	parcel
	ctx  context.Context // of who waits
	done chan struct{}   // closed when answered
	outcome
}

func (a *appends) init() { a.way = map[int32]*road{} }

// post appends one batch. When ctx ends first, the batch may be kept all the same.
func (b *Bus) post(ctx context.Context, p parcel) outcome {
	leaders, err := b.leaders(ctx)
	if err != nil {
		return outcome{err: err}
	}
	leader, known := leaders[p.at]
	if !known {
		return outcome{err: errNoAnswer}
	}
	own := &posted{parcel: p, ctx: ctx, done: make(chan struct{})}
	b.enter(leader, own)
	select {
	case <-own.done:
		return own.outcome
	case <-ctx.Done():
		return outcome{err: context.Cause(ctx)}
	case <-b.ctx.Done():
		return outcome{err: errClosed}
	}
}

// enter sends a batch now if there is room for one more request, else it waits for the next.
func (b *Bus) enter(leader int32, own *posted) {
	a := &b.appends
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.way[leader]
	if r == nil {
		r = &road{}
		a.way[leader] = r
	}
	r.waiting = append(r.waiting, own)
	if r.busy < abreast && b.ctx.Err() == nil {
		r.busy++
		b.wg.Go(func() { b.carry(r) })
	}
}

// carry sends what waits, request by request, until nothing does.
func (b *Bus) carry(r *road) {
	for {
		b.appends.mu.Lock()
		some := r.next()
		if len(some) == 0 {
			r.busy--
			b.appends.mu.Unlock()
			return
		}
		b.appends.mu.Unlock()
		parcels := make([]parcel, len(some))
		for i, own := range some {
			parcels[i] = own.parcel
		}
		outcomes, err := b.produce(b.ctx, parcels)
		for i, own := range some {
			own.outcome = outcomes[i]
			if err != nil {
				own.err = err
			}
			close(own.done)
		}
	}
}

// next takes what one request holds: each partition once, since an answer tells of a partition and not of a batch. Whoever
// has given up is passed over.
func (r *road) next() (some []*posted) {
	size := 0
	taken := map[place]bool{}
	r.waiting = slices.DeleteFunc(r.waiting, func(own *posted) bool {
		switch {
		case own.ctx.Err() != nil:
			return true
		case taken[own.at] || size > maxRequest:
			return false
		}
		taken[own.at] = true
		size += len(own.encoded)
		some = append(some, own)
		return true
	})
	return some
}
