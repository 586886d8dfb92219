package inbound

import (
	"slices"
	"strings"
	"sync"
	"time"

	"optgate/pipeline/optout"
)

// recent remembers which ties were kept a short while ago. Nearly every item shows the same two or three identifiers of a
// person again, and a tie that is in the log needs no second command. It forgets within twice the period, so that a tie
// that was erased since is made anew by a later message.
type recent struct {
	mu         sync.Mutex
	young, old map[string]struct{}
	began      time.Time
}

const (
	recentPeriod = 10 * time.Minute
	recentMost   = 50_000 // a generation's ties
)

// has says whether the tie was kept lately.
func (r *recent) has(tie string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now)
	_, young := r.young[tie]
	_, old := r.old[tie]
	return young || old
}

// add remembers a tie that is in the log.
func (r *recent) add(tie string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now)
	r.young[tie] = struct{}{}
}

func (r *recent) age(now time.Time) {
	over := now.Sub(r.began)
	if r.young != nil && over < recentPeriod && len(r.young) < recentMost {
		return
	}
	r.old = r.young
	if over >= 2*recentPeriod {
		r.old = nil
	}
	r.young, r.began = map[string]struct{}{}, now
}

// tieOf names a tie, whatever the order of its identifiers.
func tieOf(account string, who []optout.Ref) string {
	pseudonyms := make([]string, len(who))
	for i, ref := range who {
		pseudonyms[i] = ref.P.String()
	}
	slices.Sort(pseudonyms)
	return account + "/" + strings.Join(pseudonyms, "/")
}
