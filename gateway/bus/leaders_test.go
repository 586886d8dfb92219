package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"optgate/pipeline/stream"
)

// Partitions wander over three brokers while everybody is at work: nothing is lost, doubled or stuck.
func TestLeadersMayChangeAtAnyTime(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const shards, writers, each = 4, 4, 200
	b, err := Open(Config{Brokers: cluster.ListenAddrs(), Prefix: "t.", Shards: shards, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if _, err := b.Bootstrap(ctx, "i", ""); err != nil {
		t.Fatal(err)
	}

	wander, settle := context.WithCancel(ctx)
	var moving, working sync.WaitGroup
	moving.Go(func() {
		for pause(wander, 350*time.Millisecond) {
			cluster.ShufflePartitionLeaders()
			cluster.RehashCoordinators()
		}
	})
	for p := range shards {
		f := b.Follow(stream.Events, p, 0)
		working.Go(func() {
			defer f.Close()
			next := map[string]int{}
			for n := 0; n < writers*each/shards; {
				round, err := f.Next(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				for _, r := range round.Records {
					if want := fmt.Sprint(next[string(r.Key)]); string(r.Value) != want {
						t.Errorf("partition %d, writer %s: %s came where %s was due", p, r.Key, r.Value, want)
						return
					}
					next[string(r.Key)]++
					n++
				}
			}
		})
		working.Go(func() {
			owned := b.Own("shard", p)
			if err := owned.Claim(ctx); err != nil {
				t.Error(err)
				return
			}
			for i := range 40 {
				if base, err := owned.Append(ctx, stream.Consent, []*stream.Record{{Value: fmt.Append(nil, i)}}); err != nil || base != int64(i) {
					t.Errorf("append %d to shard %d: at %d, %v", i, p, base, err)
					return
				}
				pause(ctx, 20*time.Millisecond)
			}
		})
	}
	for w := range writers {
		working.Go(func() {
			for i := range each {
				r := &stream.Record{Topic: stream.Events, Partition: w % shards, Key: fmt.Append(nil, w), Value: fmt.Append(nil, i)}
				if err := b.Publish(ctx, r); err != nil {
					t.Error(err)
					return
				}
				if r.Offset != int64(i) {
					t.Errorf("record %d of writer %d stands at %d", i, w, r.Offset)
				}
				pause(ctx, 5*time.Millisecond)
			}
		})
	}
	seen := map[string]bool{}
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	working.Go(func() {
		var mu sync.Mutex
		err := b.Consume(consuming, "readers", stream.Events, func(_ context.Context, batch []stream.Record) error {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range batch {
				seen[fmt.Sprintf("%s/%s", r.Key, r.Value)] = true
			}
			if len(seen) == writers*each {
				stop()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	working.Wait()
	settle()
	moving.Wait()
	if len(seen) != writers*each {
		t.Errorf("the group handled %d of %d", len(seen), writers*each)
	}
}
