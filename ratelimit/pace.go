package ratelimit

import (
	"context"
	"sync"
	"time"
)

// Reservation is some of the places in a line that many stand in: the first begins after Wait, each further one Interval
// later. Slots 0: the line is longer than the asker would wait; it may ask again after Wait. A place that is not used is lost.
type Reservation struct {
	Slots    int
	Wait     time.Duration
	Interval time.Duration
}

// lines holds the lines of the whole fleet, each by one clock.
type lines interface {
	// Reserve takes up to n places in the line of a key, of which none begins later than ahead from now. They are interval
	// apart, or more while the line is slowed.
	Reserve(ctx context.Context, key string, interval time.Duration, n int, ahead time.Duration) (Reservation, error)
	// Slow slows a line as Slowing says.
	Slow(ctx context.Context, key string) error
}

// How a line is slowed when Meta says that a number is too fast, and how it recovers: over the whole fleet.
const (
	Slowest     = 1.0 / 32         // of the allowed rate: a number is never slowed further
	Deaf        = time.Second      // after a slowing: refusals of calls that were under way count once
	RecoverStep = 10 * time.Second // each gives a tenth of the allowed rate back
	RecoverBy   = 0.1
)

// slowTime bounds how long somebody who was refused waits for a line to be slowed.
const slowTime = time.Second

// Pace shares the messages a second of each number over the fleet. When Meta says that a number is too fast, its rate is
// halved for everybody, and a tenth of the full rate comes back every ten seconds. There is no fallback in the process
// for a line that can't be asked: the opt-out lists can't be read then either.
type Pace struct {
	lines lines
	mu    sync.Mutex
	slow  map[string]time.Time // when this process last slowed a number
}

// NewPace makes a pace over the fleet's lines.
func NewPace(l lines) *Pace { return &Pace{lines: l, slow: map[string]time.Time{}} }

// Reserve takes up to n places in a number's line at the rate (messages a second) that it may have, or less while it is
// slowed. None of them begins later than ahead from now.
func (p *Pace) Reserve(ctx context.Context, number string, rate float64, n int, ahead time.Duration) (Reservation, error) {
	return p.lines.Reserve(ctx, number, time.Duration(float64(time.Second)/rate), n, ahead)
}

// Slow halves a number's rate, whoever of the fleet says it first; again within a second it does nothing. Where the line
// can't be asked the next refusal says it again.
func (p *Pace) Slow(number string) {
	p.mu.Lock()
	said := p.slow[number]
	now := time.Now()
	if !said.IsZero() && now.Sub(said) < Deaf {
		p.mu.Unlock()
		return
	}
	p.slow[number] = now
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), slowTime)
	defer cancel()
	if p.lines.Slow(ctx, number) != nil {
		p.mu.Lock()
		delete(p.slow, number)
		p.mu.Unlock()
	}
}
