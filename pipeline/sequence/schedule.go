package sequence

import (
	"time"

	"optgate/pipeline/chat"
)

// Calendar tells when steps are due. Times of day need the zones of this machine, so that folds are told and don't compute
// them. It is for one goroutine at a time.
type Calendar struct {
	Directory *chat.Directory
	clocks    chat.Clocks
}

// Due gives the time, in ms since 1970, at which a step comes to somebody: once its delay is over, at the first of its hours from
// then on, and outside of the sequence's quiet hours. The delay counts from when the step before left. Of a step with an hour
// of its own it counts from when the one before was due: "a day later at nine" is the next day, also where that one left at a
// minute past nine.
func (c *Calendar) Due(q Sequence, step Step, s Subscriber) int64 {
	channel, _ := c.Directory.Channel(q.Account, q.Channel)
	at := time.UnixMilli(s.Left).Add(step.After.Time())
	if step.At != nil {
		hour := chat.Quiet{From: (*step.At + 1) % minutesOfDay, To: *step.At, Zone: step.Zone} // all of the day but that minute
		clock, from := c.clocks.For(hour, s.To, channel.DefaultCountry), time.UnixMilli(s.From)
		over := from.Add(step.After.Time())
		if step.After.Days > 0 && hour.Opens(clock, from).Equal(from) {
			over = over.Add(-time.Hour) // from hour to the same hour a day may be an hour longer or shorter than a day
		}
		at = hour.Opens(clock, over)
	}
	return c.opens(q, s.To, at).UnixMilli()
}

// opens gives the first time from now on at which quiet hours let a message to somebody go.
func (c *Calendar) opens(q Sequence, to chat.Identifier, now time.Time) time.Time {
	if q.Quiet == nil {
		return now
	}
	channel, _ := c.Directory.Channel(q.Account, q.Channel)
	return q.Quiet.Opens(c.clocks.For(*q.Quiet, to, channel.DefaultCountry), now)
}

// Place gives the step that comes next to somebody, and when; 0 where there is none.
func (c *Calendar) Place(q Sequence, s Subscriber) (step int, due int64) {
	next, more := q.next(s)
	if !more {
		return 0, 0
	}
	return next.No, c.Due(q, next, s)
}

const minutesOfDay = 24 * 60

// Candidate gives what subscribing somebody says of them: the first step, and when it comes if they are subscribed now.
func (c *Calendar) Candidate(q Sequence, p chat.Pseudonym, who Person, now time.Time) Candidate {
	s := Subscriber{Person: who, From: now.UnixMilli(), Left: now.UnixMilli()}
	step, due := c.Place(q, s)
	return Candidate{P: p, Person: who, Step: step, Due: due}
}
