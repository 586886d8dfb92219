package shard

import (
	"context"
	"time"
)

// Bell is rung beside a shard's owner after each decision, so that a worker need not look again and again where there is nothing
// to do. It is for one listener. Nothing may rest on it alone: what others decide, once they own the shard, rings none here.
type Bell chan struct{}

// NewBell makes one.
func NewBell() Bell { return make(Bell, 1) }

// Ring wakes the listener, or lets its next wait end at once. It never waits.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// Wait waits until it is rung, but no longer than d; false where ctx ended first. Of a nil Bell it doesn't wait at all.
func (b Bell) Wait(ctx context.Context, d time.Duration) bool {
	if b == nil {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-b:
	case <-timer.C:
	}
	return true
}
