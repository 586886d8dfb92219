package app

import (
	"sync"
	"sync/atomic"
	"time"
)

// stalledFrom is how long no progress may be made with the oldest item that is kept and not handled.
const stalledFrom = 30 * time.Second

// progress tells whether what webhooks bring is worked off. It looks at the oldest unhandled item: while that stays the same,
// its partition stands, be it that nobody is there to handle it or that its batch fails again and again, and however fast
// the others go on. A pipeline that is behind and catches up makes progress.
type progress struct {
	kept atomic.Int64 // ms since 1970 at which a webhook was last kept here

	mu     sync.Mutex
	oldest time.Time // when the oldest unhandled item was received, as Kafka last said; zero: there is none
	since  time.Time // it has been the oldest since
	asked  time.Time // when Kafka last said so, or the watch began
}

// Asked notes what Kafka said.
func (p *progress) Asked(now, oldest time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !oldest.Equal(p.oldest) {
		p.oldest, p.since = oldest, now
	}
	p.asked = now
}

// Stalled says that webhooks are kept and not worked off. Where Kafka takes them in and can't say what was handled, nobody
// knows that anything is.
func (p *progress) Stalled(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked.IsZero() {
		p.asked = now
	}
	if now.Sub(p.asked) >= stalledFrom {
		return now.Sub(time.UnixMilli(p.kept.Load())) < stalledFrom
	}
	return !p.oldest.IsZero() && now.Sub(p.since) >= stalledFrom
}
