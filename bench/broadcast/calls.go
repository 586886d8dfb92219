package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"optgate/gateway/meta/fake"
)

// calls knows when whoever waits for a message is called, and counts all others.
type calls struct {
	count atomic.Int64
	mu    sync.Mutex
	wait  map[string]chan time.Time // by digits
}

func newCalls() *calls { return &calls{wait: map[string]chan time.Time{}} }

// waiting begins all numbers that somebody waits for.
const waiting = "4478"

// note is asked about every call.
func (c *calls) note(s fake.Send) fake.Outcome {
	c.count.Add(1)
	if strings.HasPrefix(s.Person, waiting) {
		c.mu.Lock()
		if told := c.wait[s.Person]; told != nil {
			told <- s.At
			delete(c.wait, s.Person)
		}
		c.mu.Unlock()
	}
	return fake.Outcome{Silent: true}
}

// expect gives the function that waits for the call of somebody, and says when it came.
func (c *calls) expect(digits string) func(ctx context.Context) (time.Time, error) {
	told := make(chan time.Time, 1)
	c.mu.Lock()
	c.wait[digits] = told
	c.mu.Unlock()
	return func(ctx context.Context) (time.Time, error) {
		select {
		case at := <-told:
			return at, nil
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-time.After(time.Minute):
			return time.Time{}, fmt.Errorf("nobody was called within a minute")
		}
	}
}
