//go:build !race

package app

import (
	"context"
	"testing"

	"optgate/gateway/metrics"
	"optgate/pipeline/stream"
)

type nowhere struct{}

func (nowhere) Publish(context.Context, ...*stream.Record) error { return nil }

// Each webhook is published through it. Under the race detector everything allocates.
func TestMeasuringCostsNoAllocation(t *testing.T) {
	a := &App{metrics: metrics.New("test")}
	var p stream.Publisher = measured{nowhere{}, a, "ingress", &a.watch.progress.kept}
	records := []*stream.Record{{Topic: stream.Inbound}}
	n := testing.AllocsPerRun(100, func() {
		if err := p.Publish(t.Context(), records...); err != nil {
			t.Error(err)
		}
	})
	if n != 0 || a.watch.progress.kept.Load() == 0 {
		t.Errorf("%v allocations, last kept %d", n, a.watch.progress.kept.Load())
	}
}
