package outbound

import (
	"container/list"
	"maps"
	"slices"
	"time"

	"optgate/pipeline/chat"
	"optgate/ratelimit"
)

// queue holds what is ready to go out by one channel. Broadcasts take turns in it.
type queue struct {
	channel chat.Channel
	number  string // names the channel among those of all accounts
	flows   map[string]*flow
	ring    []*flow
	turnOf  int
	ready   int
	busy    int // messages picked or called
	places  places
	pairs   map[chat.Pseudonym]*pair

	resume time.Time // nothing is sent before
	halt   ratelimit.Backoff
	wait   ratelimit.Backoff
}

// flow is what is ready of one broadcast, or of none.
type flow struct {
	broadcast string
	items     list.List
}

// pair is a person for whom this channel was too fast.
type pair struct {
	refused int // times in a row
	until   time.Time
}

const (
	defaultRate = 80   // messages a second that Meta allows a number that nobody has asked more for
	mostPairs   = 1000 // remembered of a channel before old ones are forgotten
)

func newQueue(c chat.Channel) *queue {
	if c.Rate <= 0 {
		c.Rate = defaultRate
	}
	return &queue{
		channel: c, number: c.Account + "/" + c.ID,
		flows: map[string]*flow{}, pairs: map[chat.Pseudonym]*pair{},
		halt: ratelimit.Backoff{First: 10 * time.Second, Most: 5 * time.Minute},
		wait: ratelimit.Backoff{First: 250 * time.Millisecond, Most: time.Minute},
	}
}

// push adds a message, at the front of its flow or at the back.
func (q *queue) push(it *item, front bool) {
	f := q.flows[it.Broadcast]
	if f == nil {
		f = &flow{broadcast: it.Broadcast}
		q.flows[it.Broadcast] = f
		q.ring = append(q.ring, f)
	}
	if it.flow = f; front {
		it.place = f.items.PushFront(it)
	} else {
		it.place = f.items.PushBack(it)
	}
	q.ready++
}

// remove takes a message out.
func (q *queue) remove(it *item) {
	f := it.flow
	f.items.Remove(it.place)
	it.flow, it.place = nil, nil
	q.ready--
	if f.items.Len() > 0 {
		return
	}
	delete(q.flows, f.broadcast)
	at := slices.Index(q.ring, f)
	q.ring = slices.Delete(q.ring, at, at+1)
	if at < q.turnOf {
		q.turnOf--
	}
}

// pop takes the next message out, of the flow whose turn it is; nil: there is none.
func (q *queue) pop() *item {
	if q.ready == 0 {
		return nil
	}
	if q.turnOf >= len(q.ring) {
		q.turnOf = 0
	}
	f := q.ring[q.turnOf]
	q.turnOf++
	it := f.items.Front().Value.(*item)
	q.remove(it)
	return it
}

// stuck says that the channel couldn't send when last tried. Until it can, one message at a time is tried.
func (q *queue) stuck() bool { return q.halt.Waiting() || q.wait.Waiting() }

// may says whether a message may be tried.
func (q *queue) may(now time.Time) bool {
	return q.ready > 0 && !now.Before(q.resume) && (q.busy == 0 || !q.stuck())
}

// pause lets the channel wait, longer each time. Calls that were under way when it began are no new reason.
func (q *queue) pause(now time.Time, b *ratelimit.Backoff) (began bool) {
	if now.Before(q.resume) {
		return false
	}
	q.resume = now.Add(b.Next())
	return true
}

// works says that the channel can send again, unless the call began before it was found that it can't.
func (q *queue) works(now time.Time) {
	if !now.Before(q.resume) {
		q.halt.Reset()
		q.wait.Reset()
	}
}

// wake gives the time at which a message may be tried; false: not before something else happens.
func (q *queue) wake() (time.Time, bool) {
	if q.ready == 0 || q.busy > 0 && q.stuck() {
		return time.Time{}, false
	}
	return later(q.places.wake(q.ready), q.resume), true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tooFast notes a refusal for one person and gives the end of their pause.
func (q *queue) tooFast(who chat.Pseudonym, now time.Time) time.Time {
	if len(q.pairs) > mostPairs {
		maps.DeleteFunc(q.pairs, func(_ chat.Pseudonym, p *pair) bool { return now.Sub(p.until) > ratelimit.Pair(p.refused) })
	}
	p := q.pairs[who]
	if p == nil {
		p = &pair{}
		q.pairs[who] = p
	}
	if !now.Before(p.until) {
		p.refused++
		p.until = now.Add(ratelimit.Pair(p.refused))
	}
	return p.until
}

// paused gives the end of a person's pause, if there is one.
func (q *queue) paused(who chat.Pseudonym, now time.Time) (time.Time, bool) {
	p := q.pairs[who]
	if p == nil {
		return time.Time{}, false
	}
	return p.until, now.Before(p.until)
}
