package outbound

import (
	"math"
	"time"

	"optgate/ratelimit"
)

const (
	placesFor  = 250 * time.Millisecond // of a number's rate are taken at once
	keepPlace  = time.Second            // after it began, a place not used is lost
	placeGroup = 25 * time.Millisecond  // places so close together are used at the last one's time
	askAgain   = 500 * time.Millisecond // after a line that couldn't be asked
)

// places are a channel's in its number's line. They belong to no message: what the gate bars leaves its place to the next.
type places struct {
	next     time.Time // when the first begins
	interval time.Duration
	left     int
	ask      time.Time // for more, not before
}

// due says whether a place may be used now.
func (p *places) due(now time.Time) bool {
	for p.left > 0 && now.Sub(p.next) > keepPlace {
		p.use()
	}
	return p.left > 0 && !now.Before(p.next)
}

func (p *places) use() { p.next, p.left = p.next.Add(p.interval), p.left-1 }

// back returns a place that was not used.
func (p *places) back() { p.next, p.left = p.next.Add(-p.interval), p.left+1 }

// wanted gives how many places to ask for: for some time at this rate, and for no more messages than there are.
func (p *places) wanted(rate float64, messages int) int {
	return max(1, min(messages, int(math.Ceil(rate*placesFor.Seconds()))))
}

// take notes what a line gave.
func (p *places) take(got ratelimit.Reservation, now time.Time) {
	p.left, p.interval = got.Slots, got.Interval
	if p.next = now.Add(got.Wait); got.Slots == 0 {
		p.ask = now.Add(got.Wait)
	}
}

// wake gives the time at which so many messages have places, or more may be asked for.
func (p *places) wake(messages int) time.Time {
	if p.left == 0 {
		return p.ask
	}
	return p.next.Add(min(placeGroup, time.Duration(min(messages, p.left)-1)*p.interval))
}
