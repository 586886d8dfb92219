// Package metrics counts and measures for Prometheus. It names every metric once, is the only importer of Prometheus's
// client, and lets no personal data into a label: what could be a number, an id of Meta's or an address is counted as other.
// What each metric is for stands in configs/deploy/METRICS.md.
package metrics

import (
	"fmt"
	"io"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// ContentType is the type of what Write writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

const namespace = "optgate"

type (
	counters   = *family[prometheus.Counter]
	gauges     = *family[prometheus.Gauge]
	histograms = *family[prometheus.Observer]
)

// Metrics holds every metric of one process. Its methods may be called at any time from any goroutine.
type Metrics struct {
	registry *prometheus.Registry

	// A webhook's way.
	webhooks    counters
	ack         prometheus.Histogram
	items       counters
	pipeline    prometheus.Histogram
	inForce     histograms
	optouts     counters
	dead        counters
	deadMessage prometheus.Counter
	links       counters

	// Sending.
	gate   counters
	sends  counters
	calls  histograms
	open   gauges
	held   prometheus.Gauge
	paused counters

	// Feeds of lists.
	feed        counters
	feedPending prometheus.Gauge
	feedOldest  prometheus.Gauge
	feeds       feeds

	// Owners of shards.
	claims      counters
	turns       prometheus.Histogram
	each        *shards
	installed   prometheus.Gauge
	shards      prometheus.Gauge
	shardsReady prometheus.Gauge

	// What is behind, and what we stand on.
	oldest      prometheus.Gauge
	lag         prometheus.Gauge
	stalled     prometheus.Gauge
	sound       prometheus.Gauge
	kafkaUp     prometheus.Gauge
	queued      prometheus.Gauge
	looks       histograms
	publishes   histograms
	unpublished counters
}

// New makes the metrics of a process that runs this version. Every metric is there from the start, so that an alert on its
// rate sees the first event.
func New(version string) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{
		registry: r,

		webhooks: newCounter(r, "webhooks_total", "Webhooks answered, by what came of them.", "result"),
		ack:      newHistogram(r, "webhook_ack_seconds", "Time from a webhook's header to its answer; Meta asks for a median of 0.25 and less than 1 % above 1.", reaction),
		items:    newCounter(r, "items_total", "Items of webhooks handled, by what they are.", "kind"),
		pipeline: newHistogram(r, "pipeline_seconds", "Time from an item's receipt until all that follows from it was kept.", patience),
		inForce:  newHistograms(r, "in_force_seconds", "Time from a command's making until it was in force, by kind.", patience, "kind"),
		optouts:  newCounter(r, "optouts_total", "People put on an opt-out list, by list and by how it came.", "list", "source"),
		dead:     newCounter(r, "dead_total", "Records put into dead, by the reason.", "reason"),
		deadMessage: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "dead_messages_total", Help: "Records put into dead that may hold a person's message.",
		}),
		links: newCounter(r, "unsubscribe_links_total", "Links for leaving a list that were opened or pressed, by what came of it.", "result"),

		gate:   newCounter(r, "gate_total", "Answers to the question before each send.", "answer"),
		sends:  newCounter(r, "sends_total", "Messages of the lanes, by what became of them.", "lane", "result"),
		calls:  newHistograms(r, "graph_call_seconds", "Time that a call of Meta's Graph took, however it ended.", reaction, "lane"),
		open:   newGauges(r, "lane_open_messages", "Messages in this process's lanes that are not done.", "lane"),
		held:   newGauge(r, "bulk_held", "1 while bulk waits because STOPs may lie unread."),
		paused: newCounter(r, "broadcasts_paused_total", "Broadcasts paused, by somebody or by themselves, by why.", "reason"),

		feed:        newCounter(r, "feed_total", "Posts to webhook URLs of lists, by what became of them.", "result"),
		feedPending: newGauge(r, "feed_pending", "Deliveries to webhook URLs of lists that are not done, in the shards that this process owns."),
		feedOldest:  newGauge(r, "feed_oldest_seconds", "Age of the oldest of these deliveries."),

		claims:      newCounter(r, "claims_total", "Shards claimed: hard fences older owners, soft begins the view anew.", "kind"),
		turns:       newHistogram(r, "turn_commands", "Commands that one decision of an owner took.", []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000}),
		each:        newShards(r),
		installed:   newGauge(r, "shards_installed", "Shards of the whole installation; each has one owner among its processes."),
		shards:      newGauge(r, "shards", "Shards that this process owns."),
		shardsReady: newGauge(r, "shards_ready", "Shards that this process owns and whose view is in force."),

		oldest:      newGauge(r, "oldest_unprocessed_seconds", "Age of the oldest item kept and not yet handled, over all of inbound."),
		lag:         newGauge(r, "inbound_lag_items", "Items kept and not yet handled, over all of inbound."),
		stalled:     newGauge(r, "stalled", "1 while items are kept and no progress is made with the oldest of them for 30 s."),
		sound:       newGauge(r, "sound", "1 while Kafka and Redis hold what they must; 0: nothing is kept, decided or sent."),
		kafkaUp:     newGauge(r, "kafka_up", "1 while Kafka has answered in the last 5 s."),
		queued:      newGauge(r, "kafka_queued_bytes", "Bytes that wait for Kafka's acknowledgement in this process."),
		looks:       newHistograms(r, "look_seconds", "Time that the look of each second at Kafka or Redis took.", reaction, "at"),
		publishes:   newHistograms(r, "publish_seconds", "Time that records waited until Kafka acknowledged them, by who published.", reaction, "by"),
		unpublished: newCounter(r, "publish_failures_total", "Calls to publish that Kafka did not acknowledge in time, by who published.", "by"),
	}
	r.MustRegister(m.deadMessage, newGo(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels tell what runs.",
	}, []string{"version", "go"})
	r.MustRegister(info)
	info.WithLabelValues(version, runtime.Version()).Set(1)
	m.begin()
	return m
}

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
