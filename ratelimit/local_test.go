package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"optgate/ratelimit"
)

// away is a fleet that can't be asked.
type away struct{}

func (away) Take(context.Context, string, int, time.Duration) (ratelimit.Decision, error) {
	return ratelimit.Decision{}, errors.New("away")
}

func TestALimitStandsWhileTheFleetCantBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := ratelimit.NewSteady(away{})
		take := func() ratelimit.Decision {
			d, err := limits.Take(t.Context(), "token", 10, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		for n := range 10 {
			if d := take(); !d.Allowed || d.Remaining != 9-n {
				t.Fatalf("call %d: %+v", n+1, d)
			}
		}
		refused := take()
		if refused.Allowed || refused.Retry <= 0 || refused.Retry > 6*time.Second {
			t.Fatalf("the eleventh call: %+v", refused)
		}
		time.Sleep(refused.Retry)
		if d := take(); !d.Allowed {
			t.Fatalf("after the wait: %+v", d)
		}
		if other, _ := limits.Take(t.Context(), "another", 10, time.Minute); !other.Allowed {
			t.Fatal("another token waits for this one")
		}
	})
}
