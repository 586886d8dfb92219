package metrics

import (
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// useful are the runtime's own metrics, beside the usual ones of Go, by which a slow or growing process is understood: how
// long goroutines wait for a processor, how long all of them stand still, what the collector costs, what memory is for.
var useful = regexp.MustCompile(`^(` +
	`/sched/latencies:seconds|/sched/pauses/total/gc:seconds|/sched/gomaxprocs:threads|` +
	`/gc/gomemlimit:bytes|/gc/heap/goal:bytes|/gc/heap/live:bytes|/gc/heap/allocs:(bytes|objects)|/gc/cycles/total:gc-cycles|` +
	`/cpu/classes/(gc/total|user|idle|total):cpu-seconds|/sync/mutex/wait/total:seconds|` +
	`/memory/classes/(total|heap/objects|heap/free|heap/released|heap/stacks):bytes)$`)

func newGo() prometheus.Collector {
	return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: useful}))
}
