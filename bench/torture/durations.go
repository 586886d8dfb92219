package main

import (
	"slices"
	"time"
)

// durations are times to be summed up.
type durations []time.Duration

// share gives the time that a share of them does not exceed; 0 where there is none.
func (d durations) share(of float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(int(of*float64(len(sorted))), len(sorted)-1)].Round(time.Millisecond)
}
