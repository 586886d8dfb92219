package outbound

import (
	"context"
	"fmt"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// run is all that a lane remembers from its claim on; it is dropped as a whole. One goroutine works on it.
type run struct {
	*Lane
	work   context.Context // outlives the lane's own for as long as what is under way is given
	hangUp context.CancelFunc

	claimed time.Time // wall clock
	next    int64     // offset that the next append to intents must get; -1: not known
	cursor  int64     // as last written; -1: not yet
	written time.Time // when the cursor was

	read  int64            // offset of the next message to read; -1: not known
	open  map[string]*item // by key: every message that is not done
	order []*item          // the same by offset, for the cursor
	done  *seen            // ids that are

	queues  map[string]*queue // by number
	ring    []*queue
	turnOf  int // of which queue in the ring
	timers  timers
	clocks  chat.Clocks
	resume  time.Time // nothing is sent before
	doubt   ratelimit.Backoff
	busy    int // messages picked or called
	results chan result

	reports []report // not yet published
	mute    time.Time
	deaf    ratelimit.Backoff
	told    []*item          // published: done with the next append
	marks   []*stream.Record // for the next append

	metered int // messages open, as the metrics were told
}

func newRun(l *Lane) *run {
	lane := *l
	if lane.Calls == 0 {
		lane.Calls = defaultCalls
	}
	return &run{
		Lane: &lane, next: -1, cursor: -1, read: -1,
		open: map[string]*item{}, done: newSeen(), queues: map[string]*queue{},
		doubt:   ratelimit.Backoff{First: 100 * time.Millisecond, Most: time.Second},
		deaf:    ratelimit.Backoff{First: 100 * time.Millisecond, Most: 5 * time.Second},
		results: make(chan result, lane.Calls),
	}
}

// lookAgain is the longest time between two turns, so that a claim that is due is seen.
const lookAgain = 10 * time.Minute

type fed struct {
	round stream.Round
	err   error
}

// send works until ctx ends or everything must be given up.
func (r *run) send(ctx context.Context) error {
	rounds := make(chan fed)
	stop := r.feed(ctx, rounds)
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		source := rounds
		if len(r.open) > readAhead-roundRecords {
			source = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case got := <-source:
			if got.err != nil {
				return fmt.Errorf("follow the messages: %w", got.err)
			}
			if err := r.admit(got.round); err != nil {
				return err
			}
		case res := <-r.results:
			r.settle(res)
		case <-timer.C:
		}
		for len(r.results) > 0 {
			r.settle(<-r.results)
		}
		if err := r.turn(ctx); err != nil {
			return err
		}
		r.meter(len(r.open))
		timer.Reset(time.Until(r.wake()))
	}
}

// feed reads ahead, one round at a time; the function it returns ends that.
func (r *run) feed(ctx context.Context, rounds chan<- fed) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	follower := r.Follow(r.read)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			round, err := follower.Next(ctx)
			if err == nil && len(round.Records) == 0 {
				continue
			}
			select {
			case rounds <- fed{round, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		follower.Close()
	}
}

// turn does what is due: it tells what became of messages, then asks, notes and calls what may be sent now.
func (r *run) turn(ctx context.Context) error {
	if shard.ClaimDue(r.claimed, 0) {
		if err := r.claim(r.work); err != nil {
			return err
		}
	}
	r.fire(time.Now())
	r.publish(r.work)
	batch := r.reach(r.work, r.ask(r.work, r.pick(r.work)))
	if err := r.write(r.work, batch); err != nil {
		return err
	}
	r.giveBack(r.work)
	batch = r.sure(r.work, batch)
	if ctx.Err() != nil {
		return nil // finish takes the intents back
	}
	r.call(batch)
	return nil
}

// meter tells how many messages the lane holds.
func (r *run) meter(open int) {
	if open != r.metered {
		r.Metrics.Open(string(r.Kind), open-r.metered)
		r.metered = open
	}
}

// wake gives the time at which a turn has something to do, unless something happens before.
func (r *run) wake() time.Time {
	next := time.Now().Add(lookAgain)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if len(r.reports) > 0 {
		sooner(r.mute)
	}
	if len(r.timers) > 0 {
		sooner(r.timers[0].at)
	}
	if r.cursor != r.place() {
		sooner(r.written.Add(cursorEvery))
	}
	if r.busy < r.Calls {
		for _, q := range r.ring {
			if t, due := q.wake(); due {
				sooner(later(t, r.resume))
			}
		}
	}
	return next
}

// finish settles what is under way. Facts are told whoever owns the partition by now; marks are for its owner alone.
func (r *run) finish(cause error) {
	for _, it := range r.order {
		if it.state == picked {
			r.putBack(it)
		}
	}
	grace := time.AfterFunc(graceful, r.hangUp)
	defer grace.Stop()
	for r.busy > 0 {
		r.settle(<-r.results)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.work), finishing)
	defer cancel()
	r.publish(ctx)
	if cause != nil {
		return
	}
	for _, it := range r.order {
		if it.intended && it.state != closed {
			r.again(it)
		}
	}
	r.written = time.Time{} // the cursor is due
	if err := r.write(ctx, nil); err != nil {
		r.Log.Warn().Str("lane", string(r.Kind)).Int("partition", r.Partition).Err(err).Msg("lane's last marks not written")
		return
	}
	for _, it := range r.order {
		if it.state != closed { // the facts of others, and so their marks, are not told
			r.release(it)
		}
	}
	r.giveBack(ctx)
}
