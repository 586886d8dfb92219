package bus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

const (
	longWait     = 250 * time.Millisecond // how long a fetch waits for something to come
	shortWait    = 10 * time.Millisecond  // the same while a follower is too busy to be asked for, so that it is asked for soon again
	maxPartition = 1 << 20                // bytes of one partition in one fetch
	maxAhead     = 1 << 20                // bytes that are kept for a busy follower
)

// feed fetches for all followers of a Bus: one request at a time for each topic to each leader, for all its followers that
// have room.
type feed struct {
	mu        sync.Mutex
	followers map[*Follower]bool
	loops     map[way]bool // that run
}

// way is what a loop serves: the followers of one topic on one leader. Each topic goes its own way, since a request is
// answered for all its partitions as soon as there is anything for one: what is busy would have what is quiet looked at all
// the time. A request can name a partition only once, so that a second follower of a partition goes another way than the
// first.
type way struct {
	leader int32
	topic  stream.Topic
	nth    int
}

// nobody is the leader of partitions that have none.
const nobody int32 = -1

func (f *feed) init() { f.followers, f.loops = map[*Follower]bool{}, map[way]bool{} }

// join adds a follower and fetches for it at once, since the loop of its leader may be waiting for something to come.
func (b *Bus) join(w *Follower) {
	f := &b.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if b.ctx.Err() != nil {
		w.end(errClosed)
		return
	}
	taken := map[int]bool{}
	for other := range f.followers {
		if other.at == w.at {
			taken[other.nth] = true
		}
	}
	for taken[w.nth] {
		w.nth++
	}
	f.followers[w] = true
	w.asked = true
	b.wg.Go(func() {
		b.ask([]*Follower{w}, shortWait)
		b.spread()
	})
}

// spread sees to it that each leader with followers has a loop.
func (b *Bus) spread() {
	leaders := b.known()
	f := &b.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.followers {
		way := w.way(leaders)
		if f.loops[way] || b.ctx.Err() != nil {
			continue
		}
		f.loops[way] = true
		b.wg.Go(func() { b.loop(way) })
	}
}

// known gives the leaders as far as they are known: nobody leads where Kafka can't be asked.
func (b *Bus) known() map[place]int32 {
	leaders, err := b.leaders(b.ctx)
	if err != nil {
		return nil
	}
	return leaders
}

func (f *Follower) way(leaders map[place]int32) way {
	if leader, known := leaders[f.at]; known {
		return way{leader, f.at.topic, f.nth}
	}
	return way{nobody, f.at.topic, f.nth}
}

// loop fetches for one way until it has no followers.
func (b *Bus) loop(way way) {
	wait := firstBackoff
	for b.ctx.Err() == nil {
		if way.leader == nobody {
			b.refresh()
			pause(b.ctx, 100*time.Millisecond)
		}
		b.spread()
		free, busy, over := b.feed.turn(way, b.known())
		began := time.Now()
		switch {
		case over:
			return
		case way.leader == nobody:
			b.feed.release(free)
		case len(free) == 0:
			pause(b.ctx, shortWait)
		case b.ask(free, waitBeside(busy)):
			wait = firstBackoff
			if left := spacing(len(free)) - time.Since(began); left > 0 {
				pause(b.ctx, left)
			}
		default:
			pause(b.ctx, wait)
			wait = min(2*wait, lastBackoff)
		}
	}
}

// spacing is the time between the beginnings of two fetches for so many followers at least. A fetch costs by its partitions
// (64 quiet ones: 0.75 ms of a broker and 0.4 ms of ours), and is answered as soon as there is anything for one: without a
// pause one busy partition has all the others looked at a thousand times a second. What comes after a silence waits for
// nothing, since a fetch waits for it.
func spacing(followers int) time.Duration {
	return min(spacingLeast+time.Duration(followers)*spacingEach, spacingMost)
}

const (
	spacingLeast = time.Millisecond
	spacingEach  = 60 * time.Microsecond
	spacingMost  = 5 * time.Millisecond
)

func waitBeside(busy bool) time.Duration {
	if busy {
		return shortWait
	}
	return longWait
}

// turn takes the followers of a way that have room, those first that got nothing last time though there was something.
// busy: there are some without room. over: there are none at all, and the way's loop ends.
func (f *feed) turn(way way, leaders map[place]int32) (free []*Follower, busy, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.followers {
		if w.way(leaders) != way {
			continue
		}
		if w.asked || !w.roomy() {
			busy = true
			continue
		}
		w.asked = true
		free = append(free, w)
	}
	over = !busy && len(free) == 0
	if over {
		delete(f.loops, way)
	}
	slices.SortFunc(free, func(a, b *Follower) int { return cmp.Compare(b.hungry, a.hungry) })
	return free, busy, over
}

// ask fetches once for followers of one leader and hands out what came; false if something went wrong.
func (b *Bus) ask(followers []*Follower, wait time.Duration) bool {
	defer b.feed.release(followers)
	wants := make([]wanted, len(followers))
	for i, w := range followers {
		wants[i] = wanted{w.at, w.next}
	}
	began := time.Now()
	answers, err := b.fetch(b.ctx, wants, wait, maxPartition)
	if err != nil {
		b.refresh()
		return false
	}
	fine := true
	for _, w := range followers {
		got, answered := answers[w.at]
		if !answered {
			got.err = errNoAnswer
		}
		fine = b.hand(w, got, began) == nil && fine
	}
	return fine
}

// release lets followers be asked for again.
func (f *feed) release(followers []*Follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range followers {
		w.asked = false
	}
}

// hand gives a follower its part of an answer.
func (b *Bus) hand(w *Follower, got fetched, began time.Time) error {
	switch {
	case got.err == nil:
	case oneOf(got.err, kafka.OffsetOutOfRange):
		b.relocate(w)
		return got.err
	default:
		b.refresh()
		return got.err
	}
	if got.next == w.next && got.high > w.next {
		w.hungry++
		if got.base >= 0 { // compaction took the rest of this batch
			ctx, cancel := context.WithTimeout(b.ctx, aside)
			defer cancel()
			next, err := b.beyond(ctx, w.at, got.base, w.next, got.high)
			if err != nil {
				return err
			}
			got.next = next
		}
	} else {
		w.hungry = 0
	}
	w.next = got.next
	w.take(got.page, began)
	return nil
}

// aside bounds what is asked for one follower: all the others on its leader wait meanwhile, and the next fetch tells the
// same again.
const aside = 3 * time.Second

// relocate finds where a follower goes on whose offset was out of range, or ends it where its log does not hold that.
func (b *Bus) relocate(w *Follower) {
	ctx, cancel := context.WithTimeout(b.ctx, aside)
	defer cancel()
	next, err := b.inRange(ctx, w.at, w.next)
	if err != nil && ctx.Err() == nil {
		w.end(fmt.Errorf("follow: %w", err))
		b.leave(w)
	}
	w.next = next
}

// leave takes a follower out.
func (b *Bus) leave(w *Follower) {
	b.feed.mu.Lock()
	defer b.feed.mu.Unlock()
	delete(b.feed.followers, w)
}

// errStopped is what a closed follower's Next gives.
var errStopped = fmt.Errorf("follower: %w", context.Canceled)
