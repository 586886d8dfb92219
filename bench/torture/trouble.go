package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// trouble is one way to disturb the gateways or their servers.
type trouble struct {
	name        string
	least, most time.Duration // how long it lasts
	begin, end  func(context.Context) error
	ready       func(context.Context) error // says that who was disturbed has recovered; nil: all processes are waited for
	own         bool                        // it is what its scenario is for: it comes before others, so that a short run has it, too
}

// step is a trouble at its time.
type step struct {
	trouble
	after time.Duration // the one before is over
	lasts time.Duration
}

// plan deals troubles for about so long: the scenario's own in random order, then all others, then all again. The same seed
// makes the same plan.
func plan(seed uint64, troubles []trouble, total time.Duration) (steps []step) {
	random := rand.New(rand.NewPCG(seed, 13)) //nolint:gosec // it must repeat
	var deck []trouble
	for spent := time.Duration(0); len(troubles) > 0; {
		if len(deck) == 0 {
			deck = append(deck, troubles...)
			random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
			slices.SortStableFunc(deck, func(a, b trouble) int { return rank(a) - rank(b) })
		}
		s := step{trouble: deck[0], after: between(random, time.Second, 4*time.Second)}
		s.lasts = between(random, s.least, s.most)
		deck = deck[1:]
		if spent += s.after + s.lasts; spent > total {
			return steps
		}
		steps = append(steps, s)
	}
	return steps
}

func rank(t trouble) int {
	if t.own {
		return 0
	}
	return 1
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(random.Int64N(int64(most-least)))
}

// incident is a trouble that there was.
type incident struct {
	name      string
	at        time.Duration // since the round began
	lasted    time.Duration
	recovered time.Duration // from its end until every process was ready; negative: it was not waited for
	err       error
}

func (i incident) String() string {
	text := fmt.Sprintf("%6.1fs %s for %.1fs", i.at.Seconds(), i.name, i.lasted.Seconds())
	if i.recovered >= 0 {
		text += fmt.Sprintf(", all ready after %.1fs", i.recovered.Seconds())
	}
	if i.err != nil {
		text += fmt.Sprintf(": %v", i.err)
	}
	return text
}

// recoverWithin is how long the processes may take to be ready after a trouble, also while another one of theirs goes on.
const recoverWithin = 90 * time.Second

// disturb makes the troubles of a plan, one after the other, until ctx ends; what has begun is ended all the same. After a
// server's trouble it waits until all processes are ready; a process's own recovery is only timed.
func (r *round) disturb(ctx context.Context, steps []step) {
	var timing sync.WaitGroup
	defer timing.Wait()
	for _, s := range steps {
		if !pause(ctx, s.after) {
			return
		}
		began := time.Now()
		one := incident{name: s.name, at: began.Sub(r.began), recovered: -1}
		one.err = s.begin(r.patience)
		pause(ctx, s.lasts)
		if err := s.end(r.patience); one.err == nil {
			one.err = err
		}
		ended := time.Now()
		one.lasted = ended.Sub(began)
		switch {
		case one.err != nil:
		case s.ready != nil:
			timing.Go(func() { r.timed(ctx, s.ready, ended) })
		default:
			waiting, cancel := context.WithTimeout(r.patience, recoverWithin)
			one.err = r.fleet.ready(waiting)
			cancel()
			one.recovered = time.Since(ended)
		}
		r.happened(one)
	}
}

// timed notes how long a process takes to be ready again, if it is before ctx ends.
func (r *round) timed(ctx context.Context, ready func(context.Context) error, since time.Time) {
	for ready(ctx) != nil {
		if !pause(ctx, 50*time.Millisecond) {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.returns = append(r.returns, time.Since(since))
}
