package main

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// times adds how long things took.
func (r *round) times(a *account, e *evidence) {
	var force durations
	first := map[string]time.Time{}
	for _, s := range e.sightings {
		first[fmt.Sprint(s.who, s.since)] = s.from
	}
	for _, s := range e.said {
		if s.list == "default" && s.out && !s.acked.IsZero() && len(s.who) == 1 {
			if from, ok := first[fmt.Sprint(s.who[0], s.atMilli)]; ok && from.After(s.acked) {
				force = append(force, from.Sub(s.acked))
			}
		}
	}
	a.countf("opt-out answered 200 to shown in force: half %s, 99 of 100 %s, slowest %s", force.share(0.5), force.share(0.99), force.share(1))
	worst := map[string]time.Duration{}
	times := map[string]int{}
	for _, i := range e.troubles {
		times[i.name]++
		worst[i.name] = max(worst[i.name], i.recovered)
	}
	a.countf("a process that was killed, stopped or paused was ready again: half after %s, slowest %s (%d times)",
		r.returns.share(0.5), r.returns.share(1), len(r.returns))
	var all durations
	for name := range maps.Keys(worst) {
		if worst[name] > 0 {
			all = append(all, worst[name])
		}
	}
	a.countf("%d troubles of %d kinds; the end of a server's trouble to all processes ready: half %s, slowest %s",
		len(e.troubles), len(times), all.share(0.5), all.share(1))
}

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
