package ratelimit

import (
	"math/rand/v2"
	"time"
)

// What Meta allows a number towards one person: a message every six seconds, and 45 at once that are borrowed from the future.
const (
	PairEvery = 6 * time.Second
	PairBurst = 45
)

// longestPair is the longest pause of a pair: more would be a delay and no wait.
const longestPair = 256 * time.Second

// Pair gives how long nothing is sent to one person from one number after Meta has refused it n times in a row for being
// too fast (131056): 4^(n-1) seconds, so 1, 4, 16 …, at most 256.
func Pair(n int) time.Duration {
	pause := time.Second
	for range n - 1 {
		if pause *= 4; pause >= longestPair {
			return longestPair
		}
	}
	return pause
}

// Backoff is a pause that doubles from First to Most. The zero Backoff waits not at all.
type Backoff struct {
	First time.Duration
	Most  time.Duration
	last  time.Duration
}

// Next gives the next pause: each is up to a quarter shorter by chance, so that many who wait don't return as one.
func (b *Backoff) Next() time.Duration {
	b.last = min(max(2*b.last, b.First), b.Most)
	if b.last <= 0 {
		return 0
	}
	return b.last - rand.N(b.last/4+1) //nolint:gosec // chance, not a secret
}

// Waiting says that the last pause has not been forgotten by Reset.
func (b *Backoff) Waiting() bool { return b.last > 0 }

// Reset begins anew with First.
func (b *Backoff) Reset() { b.last = 0 }
