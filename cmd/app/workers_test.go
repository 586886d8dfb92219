package app

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
)

func TestOwnersEndOnlyForWhatKafkaHoldsAndThenForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running := map[int]bool{}
		a := &App{log: zerolog.Nop()}
		a.owners = newRoster(a.log, func(ctx context.Context, shard int, _ func(context.Context) error) error {
			running[shard] = true
			<-ctx.Done()
			running[shard] = false
			return nil
		})
		held := func(context.Context, int) error { return nil }
		a.owners.assign([]int{1}, held)
		synctest.Wait()
		a.judge(errors.New("broker settings: connection refused"))
		synctest.Wait()
		if !running[1] || a.trouble() != nil {
			t.Error("Kafka could not be asked, and that ended the owners")
		}
		a.judge(fmt.Errorf("verify: shard 1 is empty: %w", bus.ErrCut))
		a.owners.assign([]int{1, 2}, held) // the group goes on
		synctest.Wait()
		if running[1] || running[2] || a.trouble() == nil {
			t.Errorf("owners go on beside a log that was cut: %v", running)
		}
	})
}

// A sweep that finds as much as it takes at once must not leave the rest for an hour: more may come in that time.
func TestASweepGoesOnWhileItFindsSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour+30*time.Minute)
		defer cancel()
		left, looks := 20, 0
		err := sweep(ctx, func(context.Context) (bool, error) {
			if looks++; left == 0 || looks == 3 {
				return false, errors.New("away")
			}
			left--
			return true, nil
		})
		if err != nil || left != 0 || looks > 23 {
			t.Errorf("%d left after %d looks, %v", left, looks, err)
		}
	})
}
