package shard_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/shard"
)

// Whoever hears the bell sees in the view what it was rung for.
func TestTheBellIsRungOnceTheViewShowsADecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.command("keep", kept{Keys: 1, Rows: 1})
		o, rung, seen := w.owner(keep), 0, 0
		o.Changed = func() { rung, seen = rung+1, len(w.states) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := o.Run(ctx); err != nil {
			t.Error(err)
		}
		if rung != 2 || seen == 0 { // its claim, and the decision
			t.Errorf("rung %d times, with %d states seen", rung, seen)
		}
	})
}

func TestABellEndsOneWaitForManyRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := shard.NewBell(), time.Now()
		b.Ring()
		b.Ring()
		if !b.Wait(t.Context(), time.Hour) || time.Since(began) > 0 {
			t.Error("a rung bell was waited for")
		}
		if !b.Wait(t.Context(), time.Hour) || time.Since(began) != time.Hour {
			t.Errorf("waited until %v", time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if b.Wait(ctx, time.Hour) || (shard.Bell)(nil).Wait(ctx, time.Hour) {
			t.Error("a wait outlived its context")
		}
	})
}
