// Package ratelimit says how fast: rules of limits, what a limit answers, and the arithmetic of paces and pauses. What the
// whole fleet counts together is counted by gateway/store, by the clock of Redis. Limits err towards waiting: where they
// can't be asked, whoever asks waits.
package ratelimit

import (
	"strconv"
	"time"
)

// Exceeded is the message of everything refused by a limit.
const Exceeded = "Rate Limit Exceeded"

// Rule is a limit: at most Limit calls in any span of the length Period. A limit of zero or less refuses everything.
type Rule struct {
	Limit  int
	Period time.Duration
}

// Loss says what a limit does when what it counted was lost, as after a wipe of Redis.
type Loss uint8

// What a limit does after a loss.
const (
	StartAfresh Loss = iota // limits that protect ourselves, as the API's: nothing was called yet
	WaitOut                 // limits that protect others, as of calls to customers' servers: all is refused for one period
)

// Decision is what a limit says to one call.
type Decision struct {
	Rule      Rule
	Allowed   bool
	Remaining int           // calls that would still be allowed now
	Reset     time.Duration // until all calls of the rule are allowed again, if none is made meanwhile
	Retry     time.Duration // until the next call is allowed; 0 where Allowed
}

// Headers tells a decision as HTTP does: RateLimit-Limit, -Policy, -Remaining and -Reset, and for a refused call Retry-After.
// Seconds are rounded up, so that who waits that long waits long enough.
func (d Decision) Headers(set func(name, value string)) {
	set("RateLimit-Limit", strconv.Itoa(d.Rule.Limit))
	set("RateLimit-Policy", strconv.Itoa(d.Rule.Limit)+";w="+seconds(d.Rule.Period))
	set("RateLimit-Remaining", strconv.Itoa(d.Remaining))
	set("RateLimit-Reset", seconds(d.Reset))
	if !d.Allowed {
		set("Retry-After", seconds(max(d.Retry, time.Second)))
	}
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((max(d, 0)+time.Second-1)/time.Second), 10)
}
