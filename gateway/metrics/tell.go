package metrics

import "time"

// Oldest tells the age of the oldest item that is kept and not handled; zero: there is none.
func (m *Metrics) Oldest(age time.Duration) { m.oldest.Set(age.Seconds()) }

// Lag tells how many items are kept and not handled.
func (m *Metrics) Lag(items int64) { m.lag.Set(float64(items)) }

// Stalled tells whether items are kept and no progress is made with them.
func (m *Metrics) Stalled(stalled bool) { m.stalled.Set(truth(stalled)) }

// Held tells whether bulk waits.
func (m *Metrics) Held(held bool) { m.held.Set(truth(held)) }

// Sound tells whether Kafka and Redis hold what they must.
func (m *Metrics) Sound(sound bool) { m.sound.Set(truth(sound)) }

// Kafka tells whether Kafka answers, and how many bytes wait for it here.
func (m *Metrics) Kafka(up bool, queued int) {
	m.kafkaUp.Set(truth(up))
	m.queued.Set(float64(queued))
}

// Looked measures a look at kafka or redis.
func (m *Metrics) Looked(at string, took time.Duration) { m.looks.of(at, "").Observe(took.Seconds()) }

// Installed tells how many shards the installation has.
func (m *Metrics) Installed(shards int) { m.installed.Set(float64(shards)) }

// Shards tells how many shards this process owns and how many of them are ready.
func (m *Metrics) Shards(owned, ready int) {
	m.shards.Set(float64(owned))
	m.shardsReady.Set(float64(ready))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
