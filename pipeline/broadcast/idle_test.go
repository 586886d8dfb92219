package broadcast_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/shard"
)

// counted counts looks for broadcasts.
type counted struct {
	*world
	looks atomic.Int64
}

func (c *counted) Active(ctx context.Context, shard int) (map[broadcast.Ref]broadcast.Status, error) {
	c.looks.Add(1)
	return c.world.Active(ctx, shard)
}

// A shard without a broadcast is hardly looked at, and its first one is not kept waiting for that.
func TestAShardWithoutABroadcastCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		bell, states := shard.NewBell(), &counted{world: w}
		r := &broadcast.Runner{
			Shards: shards, Shard: shards.Broadcast("acme", "b1"), States: states, Report: w, Archive: w, Gate: w, Reader: w, Bell: bell,
			Follow:    func(from int64) shard.Follower { return &follower{w, from} },
			Publisher: w, Conditions: w, Left: w.tier, Directory: terms().Directory, Metrics: w, Logger: zerolog.Nop(),
		}
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- r.Run(ctx) }()
		time.Sleep(time.Minute) // simulated
		if n := states.looks.Load(); n > 31 {
			t.Errorf("%d looks in a minute", n)
		}
		ref := w.plan(people(3))
		bell.Ring()
		if status, totals := w.after(time.Second, ref); totals["Sent "] != 3 {
			t.Errorf("a second later: %s %v", status, totals)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
