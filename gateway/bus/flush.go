package bus

import (
	"errors"
	"fmt"
	"time"
)

// errGone is the answer to records whose caller has given up before they were sent. Nobody reads it.
var errGone = errors.New("given up")

const (
	maxBatch   = 1 << 20  // bytes of one batch; a larger record travels alone
	maxRequest = 16 << 20 // bytes of one request
)

// lane is the way to one partition. At most one batch is on its way, so that its order and sequence hold.
type lane struct {
	at       place
	waiting  []item
	flight   *flight
	sending  bool
	notUntil time.Time     // after a failure
	backoff  time.Duration // the last wait

	session  session // that sequence belongs to
	sequence int32   // of the next batch
}

// flight is a batch that was sent or is about to be. Once sent it is sent again, the same, until the broker says what became
// of it: otherwise the next batch could be taken for its repeat.
type flight struct {
	items    []item
	encoded  []byte
	session  session
	sequence int32
}

// flusher is the state of Bus.flush: one request at a time to each leader, everything for it in that one.
type flusher struct {
	b       *Bus
	session session
	valid   bool // session may be used
	busy    map[int32]bool
	freed   chan freed
}

// freed says that a leader's request is over, and whether the brokers have forgotten the session.
type freed struct {
	leader    int32
	forgotten bool
}

// flush sends what is queued until the Bus is closed. What comes while a leader's request is on its way makes the next.
func (b *Bus) flush() {
	f := &flusher{b: b, busy: map[int32]bool{}, freed: make(chan freed)}
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		select {
		case <-b.queue.wake:
		case r := <-f.freed:
			delete(f.busy, r.leader)
			f.valid = f.valid && !r.forgotten
		case <-retry.C:
		case <-b.ctx.Done():
			for len(f.busy) > 0 {
				delete(f.busy, (<-f.freed).leader)
			}
			return
		}
		if wait := f.send(); wait > 0 {
			retry.Reset(wait)
		}
	}
}

// send starts a request to each leader that has none on its way. It returns after how long to look again, 0: not at all.
func (f *flusher) send() time.Duration {
	b, q := f.b, &f.b.queue
	q.mu.Lock()
	idle := len(q.ready) == 0
	q.mu.Unlock()
	if idle {
		return 0
	}
	leaders, err := b.leaders(b.ctx)
	if err == nil && !f.valid {
		f.session, err = b.initProducer(b.ctx, "")
		f.valid = err == nil
	}
	if err != nil {
		q.blame(err)
		b.refresh()
		return 100 * time.Millisecond
	}

	now, again := time.Now(), time.Duration(0)
	later := func(d time.Duration) {
		if again == 0 || d < again {
			again = d
		}
	}
	requests := map[int32][]*lane{}
	sizes := map[int32]int{}
	q.mu.Lock()
	for l := range q.ready {
		leader, known := leaders[l.at]
		if !known {
			l.blame(fmt.Errorf("%s/%d has no leader", l.at.topic, l.at.partition))
			b.refresh()
			later(100 * time.Millisecond)
			continue
		}
		if wait := l.notUntil.Sub(now); wait > 0 {
			later(wait)
			continue
		}
		if f.busy[leader] || sizes[leader] > maxRequest {
			continue // looked at again when the leader's request is answered
		}
		if !l.load(q, f.session, now) {
			delete(q.ready, l)
			continue
		}
		l.sending = true
		delete(q.ready, l)
		requests[leader] = append(requests[leader], l)
		sizes[leader] += len(l.flight.encoded)
	}
	q.mu.Unlock()
	for leader, lanes := range requests {
		f.busy[leader] = true
		b.wg.Go(func() {
			f.freed <- freed{leader, b.deliver(lanes)}
		})
	}
	return again
}

// load makes the lane's next flight; false if there is nothing to send. The mutex is held.
func (l *lane) load(q *queue, s session, now time.Time) bool {
	if l.flight != nil {
		return true
	}
	fl := &flight{}
	size, taken := batchOverhead, 0
	var bodies [][]byte
	for _, it := range l.waiting {
		if it.waiter.gone {
			q.answer([]item{it}, 0, errGone)
			taken++
			continue
		}
		more := len(it.body) + recordOverhead
		if len(bodies) > 0 && size+more > maxBatch {
			break
		}
		size += more
		taken++
		fl.items = append(fl.items, it)
		bodies = append(bodies, it.body)
	}
	l.waiting = l.waiting[taken:]
	if len(l.waiting) == 0 {
		l.waiting = nil
	}
	if len(bodies) == 0 {
		return false
	}
	if l.session != s {
		l.session, l.sequence = s, 0
	}
	fl.session, fl.sequence = l.session, l.sequence
	fl.encoded = batch(fl.session, fl.sequence, now.UnixMilli(), bodies)
	l.flight = fl
	return true
}
