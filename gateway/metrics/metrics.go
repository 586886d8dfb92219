// Package metrics counts and measures for Prometheus. It names every metric once, is the only importer of Prometheus's
// client, and lets no personal data into a label: what could be a number, an id of Meta's or an address is counted as other.
package metrics

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// ContentType is the type of what Write writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Metrics holds every metric of one process. Its methods may be called at any time from any goroutine.
type Metrics struct {
	registry *prometheus.Registry

	webhooks *counter
	ack      prometheus.Histogram
	items    *counter
	optouts  *counter
	gate     *counter
	sends    *counter
	dead     *counter

	oldest      prometheus.Gauge
	shards      prometheus.Gauge
	shardsReady prometheus.Gauge
	stalled     prometheus.Gauge
}

// New makes the metrics of a process that runs this version. Every metric is there from the start, so that an alert on its
// rate sees the first event.
func New(version string) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{
		registry: r,

		webhooks: newCounter(r, "webhooks_total", "Webhooks answered, by what came of them.", "result"),
		ack:      newAck(r),
		items:    newCounter(r, "items_total", "Items of webhooks handled, by what they are.", "kind"),
		optouts:  newCounter(r, "optouts_total", "People put on an opt-out list, by list and by how it came.", "list", "source"),
		gate:     newCounter(r, "gate_total", "Answers to the question before each send.", "answer"),
		sends:    newCounter(r, "sends_total", "Messages of the lanes, by what became of them.", "lane", "result"),
		dead:     newCounter(r, "dead_total", "Records put into dead, by the reason.", "reason"),

		oldest:      newGauge(r, "oldest_unprocessed_seconds", "Age of the oldest item kept and not yet handled, over all of inbound."),
		shards:      newGauge(r, "shards", "Shards that this process owns."),
		shardsReady: newGauge(r, "shards_ready", "Shards that this process owns and whose view is in force."),
		stalled:     newGauge(r, "stalled", "Partitions of this process that make no progress though there is work."),
	}
	m.begin()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGaugeVec(options("build_info", "Always 1; the labels tell what runs."), []string{"version", "go"})
	r.MustRegister(info)
	info.WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

// Webhook counts one POST of Meta's by how it ended, and measures its answer where it took any time: zero is one that was
// refused by its header alone.
func (m *Metrics) Webhook(result string, took time.Duration) {
	m.webhooks.add(1, result)
	if took > 0 {
		m.ack.Observe(took.Seconds())
	}
}

// Item counts one item of a webhook that was handled.
func (m *Metrics) Item(kind string) { m.items.add(1, kind) }

// Optout counts one person put on a list. The lists of one's own are counted by their id, a hundred of them at most.
func (m *Metrics) Optout(list, source string) { m.optouts.add(1, list, source) }

// Gate counts one answer of the gate: go, skip or unknown.
func (m *Metrics) Gate(answer string) { m.gate.add(1, answer) }

// Send counts what became of one message of a lane.
func (m *Metrics) Send(lane, result string) { m.sends.add(1, lane, result) }

// Dead counts one record put into dead.
func (m *Metrics) Dead(reason string) { m.dead.add(1, reason) }

// Oldest tells the age of the oldest item that is kept and not handled; zero if there is none.
func (m *Metrics) Oldest(age time.Duration) { m.oldest.Set(age.Seconds()) }

// Shards tells how many shards this process owns and how many of them are ready.
func (m *Metrics) Shards(owned, ready int) {
	m.shards.Set(float64(owned))
	m.shardsReady.Set(float64(ready))
}

// Stalled tells how many partitions make no progress.
func (m *Metrics) Stalled(partitions int) { m.stalled.Set(float64(partitions)) }

// Write writes all metrics in Prometheus's text format.
func (m *Metrics) Write(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	encoder := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return fmt.Errorf("write metric %s: %w", family.GetName(), err)
		}
	}
	return nil
}

// newAck makes the histogram of answers to webhooks. Meta's marks are in its buckets: a median of 0.25 s and less than one
// in a hundred above 1 s.
func newAck(r *prometheus.Registry) prometheus.Histogram {
	ack := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "webhook_ack_seconds",
		Help:    "Time from a webhook's header to its answer; Meta asks for a median of 0.25 and less than 1 % above 1.",
		Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
	})
	r.MustRegister(ack)
	return ack
}
