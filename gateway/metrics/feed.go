package metrics

import (
	"sync"
	"time"
)

// feeds holds what is pending in each shard that this process posts for.
type feeds struct {
	mu      sync.Mutex
	byShard map[int]waiting
}

type waiting struct {
	pending int
	oldest  time.Duration
}

// Feed counts one delivery to a list's webhook URL: delivered, failed (it is tried again), dead or dropped.
func (m *Metrics) Feed(result string) { m.feed.of(result, "").Inc() }

// FeedPending tells how many deliveries of a shard are not done, and how old the oldest of them is. None: they are none of
// this process's any more, or all are done.
func (m *Metrics) FeedPending(shard, pending int, oldest time.Duration) {
	m.feeds.mu.Lock()
	defer m.feeds.mu.Unlock()
	if m.feeds.byShard == nil {
		m.feeds.byShard = map[int]waiting{}
	}
	m.feeds.byShard[shard] = waiting{pending, oldest}
	if pending == 0 {
		delete(m.feeds.byShard, shard)
	}
	all := waiting{}
	for _, w := range m.feeds.byShard {
		all.pending, all.oldest = all.pending+w.pending, max(all.oldest, w.oldest)
	}
	m.feedPending.Set(float64(all.pending))
	m.feedOldest.Set(seconds(all.oldest))
}
