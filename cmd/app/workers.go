package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/stream"
)

// crew is what a running program must undo: each step is registered where the thing is born, and all run in reverse.
type crew struct {
	log   zerolog.Logger
	steps []func()
}

// onStop registers a step.
func (c *crew) onStop(step func()) { c.steps = append(c.steps, step) }

// stop runs all steps, the last first.
func (c *crew) stop() {
	for _, step := range slices.Backward(c.steps) {
		step()
	}
	c.steps = nil
}

// work starts a worker of its own context, which ends when its turn to stop has come, and is waited for then. A worker that
// ends before is started again: it is one of many, and the others go on.
func (c *crew) work(name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.supervise(ctx, name, run)
	}()
	c.onStop(func() {
		cancel()
		<-ended
	})
}

const restartPause = time.Second

func (c *crew) supervise(ctx context.Context, name string, run func(ctx context.Context) error) {
	for ctx.Err() == nil {
		err := guarded(ctx, run)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, stream.ErrDeposed) {
			c.log.Info().Str("worker", name).Msg("deposed: another has it, or this one claims again")
		} else {
			c.log.Error().Str("worker", name).Err(err).Msg("worker ended: starting it again")
		}
		select {
		case <-ctx.Done():
		case <-time.After(restartPause):
		}
	}
}

// guarded turns a panic into an error with its stack.
func guarded(ctx context.Context, run func(ctx context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return run(ctx)
}

const (
	sweepEvery = time.Hour
	sweepAgain = 10 * time.Second
)

// sweep does something every hour, and again soon for as long as it finds something. What fails is tried at the next hour.
func sweep(ctx context.Context, do func(ctx context.Context) (found bool, err error)) error {
	for wait := sweepEvery; pause(ctx, wait); {
		if found, err := do(ctx); err == nil && found {
			wait = sweepAgain
		} else {
			wait = sweepEvery
		}
	}
	return nil
}

// roster runs one worker for each partition this process is assigned, through all rebalances: only an assignment without
// the partition ends its worker, and a partition kept is not begun anew.
type roster[K comparable] struct {
	run func(ctx context.Context, key K, holds func(ctx context.Context) error) error

	mu      sync.Mutex
	running map[K]context.CancelFunc
	holds   func(ctx context.Context, key K) error
	changed chan struct{} // closed when the assignment changes
	stopped bool
	all     sync.WaitGroup
	log     zerolog.Logger
}

func newRoster[K comparable](log zerolog.Logger, run func(ctx context.Context, key K, holds func(ctx context.Context) error) error) *roster[K] {
	return &roster[K]{run: run, running: map[K]context.CancelFunc{}, changed: make(chan struct{}), log: log}
}

// assign makes the workers those of the given partitions. holds says of one whether this process still holds it in the
// current generation.
func (r *roster[K]) assign(keys []K, holds func(ctx context.Context, key K) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	r.holds = holds
	close(r.changed)
	r.changed = make(chan struct{})
	wanted := map[K]bool{}
	for _, key := range keys {
		wanted[key] = true
	}
	for key, cancel := range r.running {
		if !wanted[key] {
			cancel()
			delete(r.running, key)
		}
	}
	for _, key := range keys {
		if r.running[key] == nil {
			r.start(key)
		}
	}
}

func (r *roster[K]) start(key K) {
	ctx, cancel := context.WithCancel(context.Background())
	r.running[key] = cancel
	r.all.Go(func() {
		c := crew{log: r.log}
		c.supervise(ctx, fmt.Sprintf("partition %v", key), func(ctx context.Context) error {
			return r.run(ctx, key, func(ctx context.Context) error { return r.hold(ctx, key) })
		})
	})
}

// hold returns nil once the current generation has confirmed that the partition is ours. A worker whose partition went to
// somebody else is cancelled by assign, and its context ends the wait.
func (r *roster[K]) hold(ctx context.Context, key K) error {
	for {
		r.mu.Lock()
		holds, changed := r.holds, r.changed
		r.mu.Unlock()
		err := holds(ctx, key)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// assigned says whether there ever was an assignment.
func (r *roster[K]) assigned() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holds != nil
}

// keys gives the partitions that this process is assigned.
func (r *roster[K]) keys() (keys []K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.running {
		keys = append(keys, key)
	}
	return keys
}

// stop ends all workers and waits for them. What is assigned afterwards is not begun.
func (r *roster[K]) stop() {
	r.mu.Lock()
	r.stopped = true
	for key, cancel := range r.running {
		cancel()
		delete(r.running, key)
	}
	r.mu.Unlock()
	r.all.Wait()
}
