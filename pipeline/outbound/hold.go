package outbound

import (
	"slices"
	"sync"
	"time"
)

const (
	unreadMost  = 30 * time.Second // of the oldest item nobody has handled
	silenceMost = 10 * time.Second // since Kafka last said how old that is
	lostOver    = time.Minute      // dead letters are counted over this time
	lostMost    = 20               // that may hold a STOP, and more than
	lostShare   = 0.01             // of all items
)

// Hold says when bulk must wait because STOPs may lie unread: in items that nobody has handled for long, or in dead letters
// that hold messages of our channels. Not to know counts as a reason. It may be used from anywhere.
type Hold struct {
	mu     sync.Mutex
	asked  time.Time
	oldest time.Time
	lost   []time.Time
	items  []count
}

// count is how many items there were at a time.
type count struct {
	at time.Time
	n  int64
}

// Asked notes what Kafka said: when the oldest unhandled item was received (zero: there is none), and how many items there
// have ever been.
func (h *Hold) Asked(now, oldest time.Time, items int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked, h.oldest = now, oldest
	h.items = append(slices.DeleteFunc(h.items, func(c count) bool { return now.Sub(c.at) > lostOver }), count{now, items})
}

// Lost notes a dead letter that may hold a message of one of our channels.
func (h *Hold) Lost(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = append(h.recent(now), now)
}

// Age gives how long the oldest unhandled item has been waiting; 0 where there is none.
func (h *Hold) Age(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.oldest.IsZero() {
		return 0
	}
	return max(0, now.Sub(h.oldest))
}

// Silent says that Kafka has not answered for a while.
func (h *Hold) Silent(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return now.Sub(h.asked) > silenceMost
}

// The reasons for which bulk waits.
const (
	HeldUnread = "unread"       // items lie unhandled for too long
	HeldSilent = "kafka_silent" // nobody knows whether they do
	HeldDead   = "dead_letters" // too many hold messages of our channels
)

// Why gives the reason for which bulk must wait, "" if it need not.
func (h *Hold) Why(now time.Time) string {
	switch {
	case h.Silent(now):
		return HeldSilent
	case h.Age(now) > unreadMost:
		return HeldUnread
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = h.recent(now)
	var items int64
	if len(h.items) > 0 {
		items = h.items[len(h.items)-1].n - h.items[0].n
	}
	if len(h.lost) > lostMost && float64(len(h.lost)) > lostShare*float64(items) {
		return HeldDead
	}
	return ""
}

func (h *Hold) recent(now time.Time) []time.Time {
	return slices.DeleteFunc(h.lost, func(at time.Time) bool { return now.Sub(at) > lostOver })
}
