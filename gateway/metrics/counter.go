package metrics

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

const namespace = "optgate"

func options(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
}

func newGauge(r *prometheus.Registry, name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(options(name, help))
	r.MustRegister(g)
	return g
}

// counter counts by labels, each with a bounded number of values.
type counter struct {
	vec    *prometheus.CounterVec
	labels []*label
}

func newCounter(r *prometheus.Registry, name, help string, labels ...string) *counter {
	c := &counter{vec: prometheus.NewCounterVec(prometheus.CounterOpts(options(name, help)), labels)}
	for range labels {
		c.labels = append(c.labels, &label{known: map[string]bool{}})
	}
	r.MustRegister(c.vec)
	return c
}

func (c *counter) add(n float64, values ...string) {
	bounded := slices.Clone(values)
	for i, l := range c.labels {
		bounded[i] = l.bound(bounded[i])
	}
	c.vec.WithLabelValues(bounded...).Add(n)
}

// other stands for every value that a label does not take.
const other = "other"

// most is how many values a label takes. Prometheus keeps a series for each combination.
const most = 100

var (
	word = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	// long finds what may be a person's number or an id that embeds one.
	long = regexp.MustCompile(`[0-9]{7}|^wamid\.`)
)

// label holds the values that a label took.
type label struct {
	mu    sync.RWMutex
	known map[string]bool
}

// bound gives the value itself if it is harmless and among the first that came, else other.
func (l *label) bound(value string) string {
	l.mu.RLock()
	known := l.known[value]
	l.mu.RUnlock()
	if known {
		return value
	}
	if !word.MatchString(value) || long.MatchString(value) {
		return other
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= most {
		return other
	}
	l.known[strings.Clone(value)] = true
	return value
}
