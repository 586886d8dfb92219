package outbound

import (
	"container/list"
	"slices"
	"time"

	"optgate/pipeline/channel"
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
	pairs   pairs

	condition channel.Condition // as last known
	known     bool
	uncounted time.Time       // templates aren't tried before: nobody can be counted
	unlimited bool            // the portfolio's people are counted by nobody
	back      []channel.Place // to be given back

	resume time.Time // nothing is sent before
	halt   ratelimit.Backoff
	wait   ratelimit.Backoff
}

// flow is what is ready of one broadcast, or of none.
type flow struct {
	broadcast string
	items     list.List
}

func newQueue(c chat.Channel) *queue {
	return &queue{
		channel: c, number: c.Account + "/" + c.ID,
		flows: map[string]*flow{}, pairs: pairs{of: map[chat.Pseudonym]*pair{}},
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
