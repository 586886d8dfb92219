package metrics

import (
	"math"
	"time"
)

// Buckets in seconds. Meta's marks are in both: a median of 0.25 s and less than one in a hundred above 1 s.
var (
	reaction = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	patience = []float64{0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
)

// seconds gives an age between two clocks: where they differ, one that is not negative.
func seconds(age time.Duration) float64 { return math.Max(0, age.Seconds()) }

// Webhook counts one POST of Meta's by how it ended, and measures its answer where it took any time: zero is one that was
// refused by its header alone.
func (m *Metrics) Webhook(result string, took time.Duration) {
	m.webhooks.of(result, "").Inc()
	if took > 0 {
		m.ack.Observe(took.Seconds())
	}
}

// Item counts one item of a webhook that was handled, and measures how long after its receipt.
func (m *Metrics) Item(kind string, age time.Duration) {
	m.items.of(kind, "").Inc()
	m.pipeline.Observe(seconds(age))
}

// Optout counts one person put on a list. The lists of one's own are counted by their id, a hundred of them at most.
func (m *Metrics) Optout(list, source string) { m.optouts.of(list, source).Inc() }

// Link counts one request for an unsubscribe link by how it ended.
func (m *Metrics) Link(result string) { m.links.of(result, "").Inc() }

// Gate counts one answer of the gate: go, skip or unknown.
func (m *Metrics) Gate(answer string) { m.gate.of(answer, "").Inc() }

// Send counts what became of one message of a lane.
func (m *Metrics) Send(lane, result string) { m.sends.of(lane, result).Inc() }

// Called measures one call of Graph, however it ended.
func (m *Metrics) Called(lane string, took time.Duration) {
	m.calls.of(lane, "").Observe(took.Seconds())
}

// Open tells that the lanes of a kind hold so many more messages.
func (m *Metrics) Open(lane string, more int) { m.open.of(lane, "").Add(float64(more)) }

// BroadcastPaused counts a broadcast that was paused, by the code of why.
func (m *Metrics) BroadcastPaused(code string) { m.paused.of(code, "").Inc() }

// Dead counts one record put into dead.
func (m *Metrics) Dead(reason string) { m.dead.of(reason, "").Inc() }

// DeadMessage counts one of the dead that may hold a person's message.
func (m *Metrics) DeadMessage() { m.deadMessage.Inc() }

// Published measures one call to publish and counts it where Kafka did not acknowledge. by is the role that published.
func (m *Metrics) Published(by string, took time.Duration, err error) {
	m.publishes.of(by, "").Observe(took.Seconds())
	if err != nil {
		m.unpublished.of(by, "").Inc()
	}
}
