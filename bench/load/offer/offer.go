// Package offer sends webhooks to a server and measures how it answers: at a rate, whatever the server does (open loop), or
// as fast as it answers (closed loop). At a rate a latency counts from the moment at which the webhook was due, so that a
// server that stalls is charged for everybody who would have called meanwhile (no coordinated omission).
package offer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"optgate/bench/load/mix"
)

// Options say what to offer.
type Options struct {
	Dial        func(ctx context.Context) (net.Conn, error) // makes a connection to the server
	Mix         *mix.Mix
	Connections int                 // all kept alive
	Rate        float64             // webhooks a second; 0: each connection sends the next one as soon as the last one is answered
	Warmup      time.Duration       // offered and not counted
	Time        time.Duration       // counted
	Timeout     time.Duration       // after which a webhook without answer is given up
	Sleep       func(time.Duration) // how the offer waits for what is due next; nil: as finely as the system can
	Mark        func()              // called when counting begins and when it ends; nil: nobody asks
}

// run is a running offer.
type run struct {
	Options
	ended  context.Context // when there is nothing more to wait for
	began  time.Time
	from   time.Duration // what is due earlier is warm-up
	until  time.Duration // nothing is due later
	number atomic.Uint64 // of the next webhook
	queue  queue
	tally  tally
}

// Run offers and returns when the last webhook is answered or given up. An error says that nothing was measured.
func Run(ctx context.Context, o Options) (*Report, error) {
	switch {
	case o.Connections < 1:
		return nil, errors.New("no connection")
	case o.Time <= 0 || o.Timeout <= 0 || o.Warmup < 0 || o.Rate < 0:
		return nil, errors.New("a time or rate makes no sense")
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Mark == nil {
		o.Mark = func() {}
	}
	ended, end := context.WithCancel(ctx)
	defer end()
	r := &run{Options: o, ended: ended, from: o.Warmup, until: o.Warmup + o.Time, tally: newTally()}
	lines, err := r.connect()
	if err != nil {
		return nil, err
	}
	cost := r.offer(lines, end)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return r.report(cost), nil
}

// connect makes all connections, or none.
func (r *run) connect() ([]*line, error) {
	lines := make([]*line, r.Connections)
	for i := range lines {
		lines[i] = newLine(r, i)
		if err := lines[i].dial(); err != nil {
			for _, l := range lines[:i] {
				l.hangUp(none)
			}
			return nil, fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	return lines, nil
}

// offer goes on until everything is answered or given up, and gives the processor time that it took itself while it counted.
func (r *run) offer(lines []*line, end context.CancelFunc) (cost time.Duration) {
	var working, watching sync.WaitGroup
	r.began = time.Now()
	if r.Rate > 0 {
		for _, l := range lines {
			r.queue.free(l)
		}
		working.Go(r.pace)
	}
	for _, l := range lines {
		working.Go(l.work)
	}
	watching.Go(func() { r.watch(lines) })
	watching.Go(func() { cost = r.measure() })
	working.Wait()
	end()
	watching.Wait()
	return cost
}

// since gives how long the offer has been going on.
func (r *run) since() time.Duration { return time.Since(r.began) }

// watch gives up what has no answer in time.
func (r *run) watch(lines []*line) {
	tick := time.NewTicker(min(r.Timeout/4, 100*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-r.ended.Done():
			for _, l := range lines {
				l.hangUp(none)
			}
			return
		case <-tick.C:
		}
		now := r.since()
		for _, l := range lines {
			l.giveUp(now)
		}
		for _, due := range r.queue.old(now - r.Timeout) {
			r.tally.failed(r, 0, unsent, due, now)
		}
	}
}

// measure takes the processor time over what is counted.
func (r *run) measure() time.Duration {
	if !r.reach(r.from) {
		return 0
	}
	r.Mark()
	before := processorTime()
	r.reach(r.until)
	cost := processorTime() - before
	r.Mark()
	return cost
}

// reach waits for a moment; false where the offer ended first.
func (r *run) reach(at time.Duration) bool {
	select {
	case <-r.ended.Done():
		return false
	case <-time.After(at - r.since()):
		return true
	}
}
