//go:build !race

package metrics_test

import (
	"testing"

	"optgate/gateway/metrics"
)

// Under the race detector everything allocates.
func TestCountingCostsNoAllocation(t *testing.T) {
	for name, call := range hot(metrics.New("dev")) {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
