package channel

import (
	"math"
	"time"

	"optgate/pipeline/chat"
)

// Counted is what came of asking for places among the people that a portfolio may reach in 24 h outside of service windows.
type Counted struct {
	// Mark names the memory that counted: with another mark it was lost and counted anew. "": it was lost, nobody was
	// counted, and the people of the last 24 h have to be counted anew before anybody is.
	Mark   string
	Places []Place // in the order of the people asked for
}

// Place is one person's among those counted.
type Place struct {
	Pseudonym chat.Pseudonym
	Given     bool
	At        int64         // µs since 1970 under which the person is counted now
	Was       int64         // and was before; 0: the person was not
	Retry     time.Duration // until a place may be free, where none was given
}

// Counting is how long a person is counted. It is a little longer than Meta's 24 h, since a message leaves after it was
// counted.
const Counting = 24*time.Hour + 2*time.Minute

// CountedUnlimited bounds the people that are counted while nobody knows the tier: the largest one that has a limit.
const CountedUnlimited = 100_000

// TierUse is how much of a portfolio's tier is used.
type TierUse struct {
	Limit int // people; 0: not known, Unlimited: there is none
	Told  Told
	Used  int       // people counted in the last 24 h; 0 where there is no limit
	Exact bool      // false while they are counted anew, and where nobody counts
	Next  time.Time // when the next place becomes free; zero where nobody is counted
	All   time.Time // when all are
}

// Left gives how many people may still be reached; math.MaxInt without a limit.
func (u TierUse) Left() int {
	if u.Limit <= 0 {
		return math.MaxInt
	}
	return max(0, u.Limit-u.Used)
}
