package outbound

import (
	"maps"
	"time"

	"optgate/pipeline/chat"
	"optgate/ratelimit"
)

// pairs are the people that a channel has just sent to, each with the pace that Meta allows the pair. What another lane sends
// to the same person is counted there: replies and bulk are different partitions, perhaps of different processes. Meta's
// refusal (131056) settles what both together are too many of.
type pairs struct {
	of    map[chat.Pseudonym]*pair
	sweep int // number of them at which those whose time is over are forgotten
}

// pair is one person's.
type pair struct {
	full    time.Time // when all places of the burst are free again
	refused int       // times in a row that Meta found the pair too fast
	until   time.Time // nothing is sent before
}

const leastSweep = 1000

// pause gives until when nothing may be sent to a person; false: it may be now.
func (p *pairs) pause(who chat.Pseudonym, now time.Time) (time.Time, bool) {
	one := p.of[who]
	if one == nil {
		return time.Time{}, false
	}
	until := later(one.until, one.full.Add(-(ratelimit.PairBurst-1)*ratelimit.PairEvery))
	return until, now.Before(until)
}

// sent counts a message to a person.
func (p *pairs) sent(who chat.Pseudonym, now time.Time) {
	one := p.get(who, now)
	one.full = later(one.full, now).Add(ratelimit.PairEvery)
}

// unsent takes a message back that did not leave.
func (p *pairs) unsent(who chat.Pseudonym) {
	if one := p.of[who]; one != nil {
		one.full = one.full.Add(-ratelimit.PairEvery)
	}
}

// tooFast notes a refusal for one person and gives the end of their pause.
func (p *pairs) tooFast(who chat.Pseudonym, now time.Time) time.Time {
	one := p.get(who, now)
	if !now.Before(one.until) {
		one.refused++
		one.until = now.Add(ratelimit.Pair(one.refused))
	}
	return one.until
}

// works notes that Meta has taken a message to a person.
func (p *pairs) works(who chat.Pseudonym) {
	if one := p.of[who]; one != nil {
		one.refused, one.until = 0, time.Time{}
	}
}

func (p *pairs) get(who chat.Pseudonym, now time.Time) *pair {
	if one := p.of[who]; one != nil {
		return one
	}
	if len(p.of) >= max(p.sweep, leastSweep) {
		maps.DeleteFunc(p.of, func(_ chat.Pseudonym, one *pair) bool {
			return !now.Before(one.full) && now.Sub(one.until) > ratelimit.Pair(one.refused)
		})
		p.sweep = 2 * len(p.of)
	}
	one := &pair{}
	p.of[who] = one
	return one
}
