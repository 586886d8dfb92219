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

// line notes at which interval places were asked for.
type line struct {
	interval time.Duration
	err      error
}

func (l *line) Reserve(_ context.Context, _ string, interval time.Duration, n int, _ time.Duration) (ratelimit.Reservation, error) {
	l.interval = interval
	return ratelimit.Reservation{Slots: n, Interval: interval}, l.err
}

func TestPaceHalvesAndRecoversStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{}
		p := ratelimit.NewPace(l)
		rate := func(want float64) {
			t.Helper()
			if _, err := p.Reserve(t.Context(), "n", 80, 1, time.Second); err != nil {
				t.Fatal(err)
			}
			if got := float64(time.Second) / float64(l.interval); got < want*0.999 || got > want*1.001 {
				t.Errorf("rate %v, want %v", got, want)
			}
		}
		rate(80)
		p.Slow("n")
		rate(40)
		p.Slow("n") // the same burst of refusals
		rate(40)
		<-time.After(time.Second)
		p.Slow("n")
		rate(20)
		<-time.After(10 * time.Second)
		rate(28)
		<-time.After(10 * time.Second)
		rate(36)
		<-time.After(10 * time.Minute)
		rate(80)
		for range 20 {
			p.Slow("n")
			<-time.After(time.Second)
		}
		rate(80.0 / 32)
	})
}

func TestPaceSlowsOneNumberOnly(t *testing.T) {
	l := &line{}
	p := ratelimit.NewPace(l)
	p.Slow("a")
	if _, err := p.Reserve(t.Context(), "b", 10, 1, 0); err != nil || l.interval != 100*time.Millisecond {
		t.Errorf("another number goes every %v: %v", l.interval, err)
	}
}

func TestPaceTellsThatALineCantBeAsked(t *testing.T) {
	away := errors.New("away")
	if _, err := ratelimit.NewPace(&line{err: away}).Reserve(t.Context(), "n", 10, 1, 0); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}
