package shard

import (
	"context"
	"math/rand/v2"
	"time"
)

// clock remembers what the view's clock said when, so that a lease can be dated before a fetch.
type clock struct {
	readings [16]reading
	next     int
}

type reading struct {
	said time.Time // by the view's clock
	at   time.Time // by ours, when we had its word
}

func (c *clock) note(said time.Time) {
	c.readings[c.next%len(c.readings)] = reading{said, time.Now()}
	c.next++
}

// before gives the latest time the view's clock is known to have shown before a moment; zero: none.
func (c *clock) before(moment time.Time) time.Time {
	var said time.Time
	for _, r := range c.readings {
		if !r.at.IsZero() && !r.at.After(moment) && r.said.After(said) {
			said = r.said
		}
	}
	return said
}

// pauses gives growing pauses between attempts, 50 ms to 5 s, each with some chance in it.
func pauses() func() time.Duration {
	next := 50 * time.Millisecond
	return func() time.Duration {
		pause := next/2 + rand.N(next) //nolint:gosec // chance, not a secret
		next = min(2*next, 5*time.Second)
		return pause
	}
}

// Sleep waits; false where ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
