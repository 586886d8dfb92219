package ratelimit

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// windows counts calls over the whole fleet.
type windows interface {
	Take(ctx context.Context, key string, limit int, period time.Duration) (Decision, error)
}

// Steady counts over the fleet, and within this process while the fleet can't be asked: a limit that protects ourselves
// must neither vanish nor refuse everybody because Redis is away.
type Steady struct {
	fleet windows

	mu    sync.Mutex
	local map[string]*rate.Limiter
}

// NewSteady makes limits over the fleet's windows.
func NewSteady(fleet windows) *Steady {
	return &Steady{fleet: fleet, local: map[string]*rate.Limiter{}}
}

// Take asks for one call. It never fails: while Redis is away the process grants limit calls at once and then one each
// period/limit, which is approximate.
func (s *Steady) Take(ctx context.Context, key string, limit int, period time.Duration) (Decision, error) {
	if d, err := s.fleet.Take(ctx, key, limit, period); err == nil {
		return d, nil
	}
	d := Decision{Rule: Rule{Limit: limit, Period: period}}
	if limit <= 0 {
		d.Retry, d.Reset = period, period
		return d, nil
	}
	l := s.limiter(key, limit, period)
	place := l.Reserve()
	if d.Retry = place.Delay(); d.Retry > 0 {
		place.Cancel()
	}
	d.Allowed = d.Retry == 0
	left := l.Tokens()
	d.Remaining = max(0, int(left))
	d.Reset = time.Duration((float64(limit) - left) / float64(limit) * float64(period))
	return d, nil
}

func (s *Steady) limiter(key string, limit int, period time.Duration) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.local[key]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(float64(limit)/period.Seconds()), limit)
		s.local[key] = l
	}
	return l
}
