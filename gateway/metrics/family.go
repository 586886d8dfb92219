package metrics

import (
	"maps"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// family is a metric with one or two labels, each of which takes a bounded number of values. A series that was asked for
// before is found without a lock and without an allocation, since webhooks and items are counted on the hot path.
type family[T any] struct {
	series func(values ...string) T
	known  atomic.Pointer[map[[2]string]T] // never changed, replaced as a whole
	mu     sync.Mutex                      // held by whoever replaces it
	labels []*label
}

func newFamily[T any](series func(values ...string) T, labels []string) *family[T] {
	f := &family[T]{series: series}
	f.known.Store(&map[[2]string]T{})
	for range labels {
		f.labels = append(f.labels, &label{known: map[string]string{}})
	}
	return f
}

// of gives the series of these values; the second is "" where there is one label.
func (f *family[T]) of(first, second string) T {
	if s, ok := (*f.known.Load())[[2]string{first, second}]; ok {
		return s
	}
	return f.find(first, second)
}

// find gives a series that may be new, and remembers it if its values are taken as they are.
func (f *family[T]) find(given ...string) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	var key [2]string
	asGiven := true
	for i, l := range f.labels {
		key[i] = l.bound(given[i])
		asGiven = asGiven && key[i] == given[i]
	}
	s, ok := (*f.known.Load())[key]
	if !ok {
		s = f.series(key[:len(f.labels)]...)
	}
	if asGiven && !ok {
		grown := maps.Clone(*f.known.Load())
		grown[key] = s
		f.known.Store(&grown)
	}
	return s
}

// begin makes the series of every combination of the given values. One that first appears with its first event begins at 1,
// and a rate over it misses that event.
func (f *family[T]) begin(first []string, second ...string) {
	if len(second) == 0 {
		second = []string{""}
	}
	for _, a := range first {
		for _, b := range second {
			f.find(a, b)
		}
	}
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

// label holds the values that a label took. The family's mutex guards it.
type label struct {
	known map[string]string
}

// bound gives the value itself if it is harmless and among the first that came, else other.
func (l *label) bound(value string) string {
	if taken, ok := l.known[value]; ok {
		return taken
	}
	if len(l.known) >= most || !word.MatchString(value) || long.MatchString(value) {
		return other
	}
	value = strings.Clone(value) // it may stand in a buffer that is used again
	l.known[value] = value
	return value
}

func newCounter(r *prometheus.Registry, name, help string, labels ...string) *family[prometheus.Counter] {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.MustRegister(vec)
	return newFamily(func(values ...string) prometheus.Counter { return vec.WithLabelValues(values...) }, labels)
}

func newGauges(r *prometheus.Registry, name, help string, labels ...string) *family[prometheus.Gauge] {
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.MustRegister(vec)
	return newFamily(func(values ...string) prometheus.Gauge { return vec.WithLabelValues(values...) }, labels)
}

func newHistograms(r *prometheus.Registry, name, help string, buckets []float64, labels ...string) *family[prometheus.Observer] {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	r.MustRegister(vec)
	return newFamily(func(values ...string) prometheus.Observer { return vec.WithLabelValues(values...) }, labels)
}

func newGauge(r *prometheus.Registry, name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	r.MustRegister(g)
	return g
}

func newHistogram(r *prometheus.Registry, name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	r.MustRegister(h)
	return h
}
