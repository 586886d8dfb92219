package sequence_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
)

// counted counts looks for sequences.
type counted struct {
	*process
	looks atomic.Int64
}

func (c *counted) Sequences(ctx context.Context, shard int) (map[sequence.Ref]string, error) {
	c.looks.Add(1)
	return c.process.Sequences(ctx, shard)
}

// A shard without a sequence is hardly looked at, and its first one is not kept waiting for that.
func TestAShardWithoutASequenceCostsLittle(t *testing.T) {
	story(t, func(t *testing.T, w *world, began time.Time) {
		w.idle = 300 * time.Millisecond
		bell, states := shard.NewBell(), &counted{process: &process{world: w}}
		r := &sequence.Runner{
			Shards: shards, Shard: ref.Shard(shards), States: states, Gate: states, Reader: states, Bell: bell,
			Follow:    func(from int64) shard.Follower { return &follower{w, from} },
			Publisher: states, Directory: directory, Metrics: w, Logger: zerolog.Nop(),
		}
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- r.Run(ctx) }()
		w.after(time.Minute)
		if n := states.looks.Load(); n > 31 {
			t.Errorf("%d looks in a minute", n)
		}
		w.plan(asked(text("Hi {{name}}", `{"minutes":0}`)))
		bell.Ring()
		same(t, "subscribed", w.subscribe(false, ada), sequence.Subscribed)
		w.after(time.Second)
		same(t, "sent", w.texts(began.Add(time.Minute), ada), "0s Hi Ada")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
