package metrics

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Shard measures how the owner of one shard gets on. Its series are there until Close, so that no other process's shard
// seems to be behind here.
type Shard struct {
	m     *Metrics
	id    int
	label string
	born  time.Time
	lag   atomic.Int64
	lease atomic.Int64 // when it was last renewed, in nanoseconds since born
}

// Shard begins to measure a shard that this process owns from now on.
func (m *Metrics) Shard(id int) *Shard {
	s := &Shard{m: m, id: id, label: strconv.Itoa(id), born: time.Now()}
	m.each.mu.Lock()
	defer m.each.mu.Unlock()
	m.each.of[id] = s
	return s
}

// Close ends the shard's series.
func (s *Shard) Close() {
	s.m.each.mu.Lock()
	defer s.m.each.mu.Unlock()
	if s.m.each.of[s.id] == s {
		delete(s.m.each.of, s.id)
	}
}

// Claimed counts a claim: hard ones fence older owners, soft ones begin the view anew.
func (s *Shard) Claimed(hard bool) {
	kind := "soft"
	if hard {
		kind = "hard"
	}
	s.m.claims.of(kind, "").Inc()
}

// Turned tells of a decision over so many commands, or of a round without any, and how many commands were there beyond.
func (s *Shard) Turned(commands int, lag int64) {
	if commands > 0 {
		s.m.turns.Observe(float64(commands))
	}
	s.lag.Store(max(0, lag))
}

// InForce measures how long after its making a command was in force.
func (s *Shard) InForce(kind string, age time.Duration) {
	s.m.inForce.of(kind, "").Observe(seconds(age))
}

// Leased tells that the lease was renewed.
func (s *Shard) Leased() { s.lease.Store(int64(time.Since(s.born))) }

// Dead counts a command that went to dead.
func (s *Shard) Dead(reason string) { s.m.Dead(reason) }

// shards shows the shards that are owned, each with a label of its own: at most as many as the installation has.
type shards struct {
	mu         sync.Mutex
	of         map[int]*Shard
	lag, lease *prometheus.Desc
}

func newShards(r *prometheus.Registry) *shards {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, []string{"shard"}, nil)
	}
	s := &shards{
		of:    map[int]*Shard{},
		lag:   desc("shard_lag_commands", "Commands that the shard's owner has not decided yet."),
		lease: desc("shard_lease_age_seconds", "Time since the shard's lease was last renewed; it lasts 1.5 s."),
	}
	r.MustRegister(s)
	return s
}

// Describe tells Prometheus's client what there is.
func (s *shards) Describe(to chan<- *prometheus.Desc) {
	to <- s.lag
	to <- s.lease
}

// Collect gives the values as they are now.
func (s *shards) Collect(to chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.of {
		age := time.Since(one.born) - time.Duration(one.lease.Load())
		to <- prometheus.MustNewConstMetric(s.lag, prometheus.GaugeValue, float64(one.lag.Load()), one.label)
		to <- prometheus.MustNewConstMetric(s.lease, prometheus.GaugeValue, age.Seconds(), one.label)
	}
}
