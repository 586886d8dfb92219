package feed

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// states reads what deliveries' owner has decided; fault.NotCertain where nobody can know.
type states interface {
	// Feeds tells of the lists that have deliveries pending in a shard.
	Feeds(ctx context.Context, shard int) ([]Waiting, error)
	// Due gives deliveries of a list whose next attempt is not after a time, the earliest first.
	Due(ctx context.Context, shard int, l List, until time.Time, limit int) ([]Delivery, error)
	// Old gives deliveries of a shard that may be forgotten at a time.
	Old(ctx context.Context, shard int, at time.Time, limit int) ([]Ref, error)
}

// accounts gives an account; a fault.NotFound where there is none.
type accounts interface {
	Account(ctx context.Context, id string) (optout.Account, error)
}

// meter counts and measures deliveries.
type meter interface {
	Feed(result string)                                       // one attempt or decision
	FeedPending(shard int, pending int, oldest time.Duration) // of one shard
	Dead(reason string)
}

const (
	lookEvery    = 500 * time.Millisecond
	lookSoon     = 20 * time.Millisecond // where more is due than was taken
	retryAfter   = time.Second           // of whatever went wrong
	pageSize     = 100                   // deliveries of a list in memory
	tellAtOnce   = 200                   // results in one command
	mostUntold   = 400                   // results that Kafka has not taken: no more calls are made meanwhile
	tellAgain    = time.Minute           // after which a result that has shown no effect is taken for lost
	sweepEvery   = 10 * time.Minute      // for deliveries to forget
	sweepSoon    = 5 * time.Second       // where there are more
	forgetAtOnce = 1000
	stale        = time.Second     // after which a list is read again that a call was begun with
	stopWithin   = 2 * time.Second // for calls under way to end, and then for what they brought to be kept
)

// Runner posts the deliveries of one shard, in the process that owns it. Two at once do no harm: a receiver may get a post
// twice, under the same id, as it may after a crash.
type Runner struct {
	Shard     int
	States    states
	Accounts  accounts
	Courier   *Courier
	Publisher stream.Publisher
	Now       func() time.Time // nil: time.Now
	Metrics   meter
	Logger    zerolog.Logger

	queues  map[List]*queue
	told    map[Ref]told // what was told and shows no effect yet
	untold  []result     // what Kafka has not taken yet
	telling bool         // the first of them are on their way to Kafka
	failed  bool         // Kafka didn't take what was told last
	tellAt  time.Time    // not before then
	kept    chan keeping // what became of telling
	results chan result  // of calls
	calls   sync.WaitGroup
	lookAt  time.Time
	sweepAt time.Time
}

// queue is what a list has due, as far as it is in memory.
type queue struct {
	waiting []Delivery
	inHand  map[Ref]bool // being called
	more    bool         // behind those that are waiting
}

// told is a result that its shard may not have folded yet: until then the delivery still seems due.
type told struct {
	list  List
	tries int
	since int64
	at    time.Time
}

// result is what came of a call.
type result struct {
	delivery Delivery // as it was
	list     List
	result   *Result // nil: nobody was called, it waits on
}

// keeping is what became of telling: Kafka has kept the first n of what was untold, or not.
type keeping struct {
	n   int
	err error
}

// Run posts until ctx ends, and waits a moment for the calls under way. Whatever goes wrong is tried again: where each
// delivery stands is in its state.
func (r *Runner) Run(ctx context.Context) error {
	if r.Now == nil {
		r.Now = time.Now
	}
	r.queues, r.told, r.results = map[List]*queue{}, map[Ref]told{}, make(chan result)
	r.kept = make(chan keeping, 1)
	r.lookAt, r.sweepAt = r.Now(), r.Now().Add(sweepEvery)
	calling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer r.Metrics.FeedPending(r.Shard, 0, 0)
	for ctx.Err() == nil {
		if err := r.turn(ctx, calling); err != nil && ctx.Err() == nil {
			if fault.KindOf(err) != fault.NotCertain { // the shard's owner tells about that
				r.Logger.Warn().Int("shard", r.Shard).Err(err).Msg("feeds interrupted")
			}
			r.lookAt = r.Now().Add(retryAfter)
		}
		until := r.lookAt
		if len(r.untold) > 0 && !r.telling {
			until = minTime(until, r.tellAt)
		}
		r.await(ctx, until.Sub(r.Now()))
	}
	r.end(ctx, cancel)
	return nil
}

// turn looks for what is due, begins calls, and tells what has come of others, while those go on.
func (r *Runner) turn(ctx, calling context.Context) error {
	if !r.Now().Before(r.lookAt) {
		r.lookAt = r.Now().Add(lookEvery)
		if err := r.look(ctx); err != nil {
			return err
		}
	}
	for list, q := range r.queues {
		if err := r.begin(ctx, calling, list, q); err != nil {
			return err
		}
		if len(q.waiting) == 0 && q.more {
			r.lookAt = minTime(r.lookAt, r.Now().Add(lookSoon))
		}
	}
	r.tell(calling)
	return nil
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// await waits for results of calls, at most so long, and takes all that there are.
func (r *Runner) await(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case one := <-r.results:
		r.take(one)
	case k := <-r.kept:
		r.heard(k)
	case <-timer.C:
		return
	case <-ctx.Done():
		return
	}
	for {
		select {
		case one := <-r.results:
			r.take(one)
		default:
			return
		}
	}
}

// take notes what came of a call.
func (r *Runner) take(one result) {
	q := r.queues[one.list]
	if q != nil {
		delete(q.inHand, one.delivery.Ref())
	}
	if one.result != nil {
		r.note(one)
	} else if q != nil {
		q.waiting, q.more = nil, false // until the next look: else all of them would find the door closed, one after the other
	}
}

func (r *Runner) note(one result) {
	r.untold = append(r.untold, one)
	r.told[one.delivery.Ref()] = told{one.list, one.delivery.Tries, one.delivery.Since, r.Now()}
}

// end waits a moment for the calls under way, breaks off the others, and tells what came of them.
func (r *Runner) end(ctx context.Context, cancel context.CancelFunc) {
	timer := time.AfterFunc(stopWithin, cancel)
	defer timer.Stop()
	ended := make(chan struct{})
	go func() {
		r.calls.Wait()
		close(ended)
	}()
	for over := false; !over || r.telling; {
		select {
		case one := <-r.results:
			r.take(one)
		case k := <-r.kept:
			r.heard(k)
		case <-ended:
			over, ended = true, nil
		}
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer stop()
	for r.tellAt, r.failed = (time.Time{}), false; len(r.untold) > 0 && !r.failed; {
		r.tell(last)
		r.heard(<-r.kept)
	}
}
