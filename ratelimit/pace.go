package ratelimit

import (
	"context"
	"math"
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
	// Reserve takes up to n places, interval apart, in the line of a key, of which none begins later than ahead from now.
	Reserve(ctx context.Context, key string, interval time.Duration, n int, ahead time.Duration) (Reservation, error)
}

const (
	slowest     = 1.0 / 32         // of the allowed rate: a number is never slowed further
	deaf        = time.Second      // after a slowing: refusals of calls that were under way count once
	recoverStep = 10 * time.Second // each gives a tenth of the allowed rate back
	recoverBy   = 0.1
)

// Pace shares the messages a second of each number over the fleet. When Meta says that a number is too fast, this process
// halves its own rate of it, and gives a tenth of the full rate back every ten seconds. There is no fallback in the
// process for a line that can't be asked: the opt-out lists can't be read then either.
type Pace struct {
	lines lines
	mu    sync.Mutex
	slow  map[string]slowed
}

type slowed struct {
	share float64 // of the allowed rate, at the time since
	since time.Time
}

// now gives the share after what has been given back.
func (s slowed) now() float64 {
	steps := math.Floor(float64(time.Since(s.since)) / float64(recoverStep))
	return min(1, s.share+recoverBy*steps)
}

// NewPace makes a pace over the fleet's lines.
func NewPace(l lines) *Pace { return &Pace{lines: l, slow: map[string]slowed{}} }

// Reserve takes up to n places in a number's line at the rate (messages a second) that it may have, or less while it is
// slowed. None of them begins later than ahead from now.
func (p *Pace) Reserve(ctx context.Context, number string, rate float64, n int, ahead time.Duration) (Reservation, error) {
	rate *= p.share(number)
	return p.lines.Reserve(ctx, number, time.Duration(float64(time.Second)/rate), n, ahead)
}

// Slow halves a number's rate; a second call within a second does nothing.
func (p *Pace) Slow(number string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	share := 1.0
	if s, ok := p.slow[number]; ok {
		if time.Since(s.since) < deaf {
			return
		}
		share = s.now()
	}
	p.slow[number] = slowed{share: max(slowest, share/2), since: time.Now()}
}

func (p *Pace) share(number string) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.slow[number]
	if !ok {
		return 1
	}
	share := s.now()
	if share == 1 {
		delete(p.slow, number)
	}
	return share
}
