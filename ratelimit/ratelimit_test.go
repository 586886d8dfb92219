package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/ratelimit"
)

func TestHeadersRoundUp(t *testing.T) {
	headers := func(d ratelimit.Decision) map[string]string {
		said := map[string]string{}
		d.Headers(func(name, value string) { said[name] = value })
		return said
	}
	rule := ratelimit.Rule{Limit: 10, Period: time.Minute}
	allowed := headers(ratelimit.Decision{Rule: rule, Allowed: true, Remaining: 3, Reset: 59_001 * time.Millisecond})
	if diff := cmp.Diff(map[string]string{
		"RateLimit-Limit": "10", "RateLimit-Policy": "10;w=60", "RateLimit-Remaining": "3", "RateLimit-Reset": "60",
	}, allowed); diff != "" {
		t.Errorf("an allowed call: %s", diff)
	}
	refused := headers(ratelimit.Decision{Rule: rule, Retry: 1, Reset: time.Minute})
	if refused["Retry-After"] != "1" || refused["RateLimit-Remaining"] != "0" {
		t.Errorf("a refused call: %v", refused)
	}
}

func TestPairWaitsFourToTheX(t *testing.T) {
	for n, want := range map[int]time.Duration{1: 1, 2: 4, 3: 16, 4: 64, 5: 256, 6: 256, 1000: 256} {
		if got := ratelimit.Pair(n); got != want*time.Second {
			t.Errorf("after %d refusals: %v, want %d s", n, got, want)
		}
	}
}

func TestBackoffDoublesAndStartsAnew(t *testing.T) {
	b := ratelimit.Backoff{First: 8 * time.Second, Most: 20 * time.Second}
	between := func(low, high time.Duration) {
		t.Helper()
		if got := b.Next(); got < low*time.Second || got > high*time.Second {
			t.Errorf("paused %v, want %d to %d s", got, low, high)
		}
	}
	between(6, 8)
	between(12, 16)
	between(15, 20)
	between(15, 20)
	if !b.Waiting() {
		t.Error("says it has not waited")
	}
	if b.Reset(); b.Waiting() {
		t.Error("says it waits after a reset")
	}
	between(6, 8)
}

// line notes at which interval places were asked for, and how often it was slowed.
type line struct {
	interval time.Duration
	slowed   map[string]int
	err      error
}

func (l *line) Reserve(_ context.Context, _ string, interval time.Duration, n int, _ time.Duration) (ratelimit.Reservation, error) {
	l.interval = interval
	return ratelimit.Reservation{Slots: n, Interval: interval}, l.err
}

func (l *line) Slow(_ context.Context, key string) error {
	if l.slowed == nil {
		l.slowed = map[string]int{}
	}
	l.slowed[key]++
	return l.err
}

func TestPaceAsksForPlacesAtTheRate(t *testing.T) {
	l := &line{}
	if _, err := ratelimit.NewPace(l).Reserve(t.Context(), "n", 80, 1, time.Second); err != nil || l.interval != 12500*time.Microsecond {
		t.Errorf("a place every %v: %v", l.interval, err)
	}
}

func TestARefusalSlowsANumberOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		p := ratelimit.NewPace(l)
		for range 50 { // calls that were under way
			p.Slow("a")
		}
		p.Slow("b")
		if l.slowed["a"] != 1 || l.slowed["b"] != 1 {
			t.Errorf("slowed %v", l.slowed)
		}
		<-time.After(time.Second)
		if p.Slow("a"); l.slowed["a"] != 2 {
			t.Errorf("a second later: %v", l.slowed)
		}
		l.err = errors.New("away")
		<-time.After(time.Second)
		p.Slow("a")
		l.err = nil
		if p.Slow("a"); l.slowed["a"] != 4 {
			t.Errorf("what could not be said is not said again: %v", l.slowed)
		}
	})
}

func TestPaceTellsThatALineCantBeAsked(t *testing.T) {
	away := errors.New("away")
	if _, err := ratelimit.NewPace(&line{err: away}).Reserve(t.Context(), "n", 10, 1, 0); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}
