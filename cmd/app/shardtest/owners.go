package shardtest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// roles are the owners, and who is meant to be one.
type roles struct {
	w       *world
	ctx     context.Context
	mu      sync.Mutex
	meant   [shards]int // the id of the owner that is assigned to a shard
	alive   map[int]cast
	next    int
	running sync.WaitGroup
	calm    bool // the attack is over
}

type cast struct {
	shard int
	quit  context.CancelFunc
}

func (r *roles) start(ctx context.Context) {
	r.ctx, r.alive = ctx, map[int]cast{}
	for s := range int(shards) {
		for range 3 {
			r.assign(s, r.spawn(s))
		}
	}
}

// spawn starts one more owner that believes in its calling until it is killed or refused.
func (r *roles) spawn(s int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	id, process := r.next, r.next%processes
	ctx, quit := context.WithCancel(r.ctx)
	r.alive[id] = cast{s, quit}
	r.w.counted.add(&r.w.counted.owners)
	b, nap := r.w.buses[process], lazy{naps, func() { r.betray(s, id) }}
	var log shard.Log = b.Own("shard", s)
	if r.w.Mutate == NoFence {
		log = unfenced{b}
	}
	var view shard.View = r.w.stores[process].View(s)
	switch r.w.Mutate {
	case NoPositions:
		view = unchecked{view}
	case ForkedChains:
		view = forkingView{view}
	case None, NoFence:
	}
	o := &shard.Owner{
		Shards: shards, Shard: s, Installation: r.w.prefix, Rules: optout.Rules(), Reader: b, Logger: r.w.Log,
		Log: lazyLog{nap, log}, View: lazyView{nap, view}, Publisher: lazyPublisher{nap, b},
		Follow:  func(from int64) shard.Follower { return b.Follow(stream.Commands, s, from) },
		Holds:   func(ctx context.Context) error { return r.holds(ctx, s, id) },
		Decided: r.w.ledger.note,
	}
	r.running.Go(func() {
		if err := o.Run(ctx); err != nil && ctx.Err() == nil {
			r.w.Log.Error().Err(err).Msg("owner gave up")
		}
	})
	return id
}

// holds waits until this owner is the one assigned: only deposed ones and newcomers ask, nobody is told to stop.
func (r *roles) holds(ctx context.Context, s, id int) error {
	for {
		r.mu.Lock()
		mine := r.meant[s] == id
		r.mu.Unlock()
		if mine {
			return nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// betray takes the shard from an owner that has just fallen asleep, one time in two.
func (r *roles) betray(s, id int) {
	r.mu.Lock()
	due := r.meant[s] == id && !r.calm && rand.IntN(2) == 0
	r.mu.Unlock()
	if due {
		r.move(s)
	}
}

// move assigns a shard to somebody else, who may be new. The one before is not told.
func (r *roles) move(s int) {
	r.mu.Lock()
	var others []int
	for id, c := range r.alive {
		if c.shard == s && id != r.meant[s] {
			others = append(others, id)
		}
	}
	if len(others) > 0 {
		r.meant[s] = others[rand.IntN(len(others))]
	}
	r.mu.Unlock()
	if len(others) < 2 {
		r.assign(s, r.spawn(s))
	}
	r.w.counted.add(&r.w.counted.moves)
}

func (r *roles) assign(s, id int) {
	r.mu.Lock()
	r.meant[s] = id
	r.mu.Unlock()
}

// kill ends an owner in the middle of whatever it does; if it was the assigned one, another is.
func (r *roles) kill() {
	r.mu.Lock()
	ids := make([]int, 0, len(r.alive))
	for id := range r.alive {
		ids = append(ids, id)
	}
	id := ids[rand.IntN(len(ids))]
	c := r.alive[id]
	delete(r.alive, id)
	mine := r.meant[c.shard] == id
	r.mu.Unlock()
	c.quit()
	r.w.counted.add(&r.w.counted.kills)
	if mine {
		r.assign(c.shard, r.spawn(c.shard))
	}
}

func (r *roles) end() {
	r.mu.Lock()
	for _, c := range r.alive {
		c.quit()
	}
	r.mu.Unlock()
	r.running.Wait()
}
