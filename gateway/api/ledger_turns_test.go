package api_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"optgate/gateway/api"
	"optgate/pipeline/stream"
)

// reads counts how many read the ledger at once.
type reads struct {
	*world
	now, most, all atomic.Int64
}

func (r *reads) Read(ctx context.Context, topic stream.Topic, partition int, from, to int64, each func(stream.Record) error) error {
	if topic != stream.Consent {
		return r.world.Read(ctx, topic, partition, from, to, each)
	}
	n := r.now.Add(1)
	defer r.now.Add(-1)
	r.all.Add(1)
	for most := r.most.Load(); n > most && !r.most.CompareAndSwap(most, n); most = r.most.Load() {
	}
	return r.world.Read(ctx, topic, partition, from, to, func(record stream.Record) error {
		runtime.Gosched()
		return each(record)
	})
}

// However many ask for a proof, one partition after the other is read: each takes memory for what it has seen.
func TestProofsTakeTurns(t *testing.T) {
	r := &reads{}
	w := newWorld(t, func(o *api.Options) {
		r.world = o.Topics.(*world)
		o.Topics = r
	})
	for n := range 200 {
		w.stop(t, "acme", now, phoneAt("acme", n%2, n))
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { w.call(t, "operator", "GET", "/v1/ledger/verify", "").is(200, "") })
	}
	all.Wait()
	if most, all := r.most.Load(), r.all.Load(); most != 1 || all < 16 {
		t.Errorf("%d of %d read at once", most, all)
	}
}
