package inbound

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// recent remembers which ties were kept a short while ago. Nearly every item shows the same two or three identifiers of a
// person again, and a tie that is in the log needs no second command. A tie is known under its account's revision, so that
// whatever is decided about the account makes all its ties unknown within the second that an account may be kept; and each
// is forgotten within twice the period.
type recent struct {
	mu         sync.Mutex
	young, old map[tie]struct{}
	began      time.Time
}

const (
	recentPeriod = 10 * time.Minute
	recentMost   = 250_000 // a generation's ties, some 10 MB
)

// tie is the hash of an account, its revision and the pseudonyms tied; zero for none.
type tie [16]byte

// has says whether the tie was kept lately.
func (r *recent) has(t tie, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now)
	_, young := r.young[t]
	_, old := r.old[t]
	return young || old
}

// add remembers a tie that is in the log.
func (r *recent) add(t tie, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now)
	r.young[t] = struct{}{}
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
	r.young, r.began = map[tie]struct{}{}, now
}

// tieOf names a tie, whatever the order of its identifiers.
func tieOf(l *optout.Lexicon, who []optout.Ref) (t tie) {
	pseudonyms := make([]chat.Pseudonym, 0, 8)
	for _, ref := range who {
		pseudonyms = append(pseudonyms, ref.P)
	}
	slices.Sort(pseudonyms)
	b := make([]byte, 0, 128)
	b = binary.BigEndian.AppendUint64(b, l.Revision)
	for _, p := range pseudonyms {
		b = binary.BigEndian.AppendUint64(b, uint64(p))
	}
	b = append(b, l.Account.ID...)
	sum := sha256.Sum256(b)
	return tie(sum[:16])
}
