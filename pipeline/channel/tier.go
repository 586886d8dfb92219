package channel

import (
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
