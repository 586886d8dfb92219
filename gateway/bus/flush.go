package bus

import (
	"fmt"
	"time"
)

// flush sees to it that what is queued is sent, until the Bus is closed: it looks who leads the partitions and sets a
// committer to work for each leader that has none. Committers go on by themselves while there is something for them.
func (b *Bus) flush() {
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		select {
		case <-b.queue.wake:
		case <-retry.C:
		case <-b.ctx.Done():
			return
		}
		if wait := b.send(); wait > 0 {
			retry.Reset(wait)
		}
	}
}

// send starts a committer for each leader that has none and for which there is something. It returns after how long to look
// again, 0: not at all.
func (b *Bus) send() time.Duration {
	q := &b.queue
	q.mu.Lock()
	idle := len(q.ready) == 0
	q.mu.Unlock()
	if idle {
		return 0
	}
	leaders, err := b.footing()
	if err != nil {
		b.refresh()
		return 100 * time.Millisecond
	}
	q.mu.Lock()
	lanes, again, lost := q.loads(nil, leaders, func(l *leader) bool { return !l.busy })
	loads := map[*leader][]*lane{}
	for _, l := range lanes {
		l.leader.busy = true
		loads[l.leader] = append(loads[l.leader], l)
	}
	q.mu.Unlock()
	if lost {
		b.refresh()
	}
	for to, lanes := range loads {
		b.wg.Go(func() { b.commit(to, lanes) })
	}
	return again
}

// commit sends to one leader until there is nothing more for it, or something went wrong. What comes while a request is on
// its way makes the next one.
func (b *Bus) commit(to *leader, lanes []*lane) {
	q := &b.queue
	for len(lanes) > 0 {
		fine := b.deliver(lanes)
		lanes = lanes[:0]
		if !fine || b.ctx.Err() != nil {
			break
		}
		leaders, err := b.footing()
		if err != nil {
			break
		}
		q.mu.Lock()
		more, _, lost := q.loads(lanes, leaders, func(l *leader) bool { return l == to })
		q.mu.Unlock()
		lanes = more
		if lost {
			q.nudge()
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	to.busy = false
	if len(q.ready) > 0 {
		q.nudge()
	}
}

// footing sees to what every request needs: a session, and who leads what, which it gives.
func (b *Bus) footing() (map[place]int32, error) {
	q := &b.queue
	leaders, err := b.leaders(b.ctx)
	q.mu.Lock()
	valid := q.valid
	q.why = err
	q.mu.Unlock()
	if err != nil || valid {
		return leaders, err
	}
	s, err := b.initProducer(b.ctx, "")
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.why = err; err == nil {
		q.session, q.valid = s, true
	}
	return leaders, err
}

// loads appends the lanes of wanted leaders that can be sent now, each with its flight. again: after so long there may be
// more. lost: a partition has no leader. What is for other leaders that are idle is left to the flusher. The mutex is held.
func (q *queue) loads(lanes []*lane, leaders map[place]int32, wanted func(*leader) bool) (_ []*lane, again time.Duration, lost bool) {
	if !q.valid { // the session has ended since it was looked at, and no lane may go back to it: see lane.load
		q.nudge()
		return lanes, 0, false
	}
	now := time.Now()
	later := func(d time.Duration) {
		if again == 0 || d < again {
			again = d
		}
	}
	for _, l := range q.leaders {
		l.bytes = 0
	}
	left := q.ready[:0]
	for _, l := range q.ready {
		id, known := leaders[l.at]
		if !known {
			l.why = fmt.Errorf("%s/%d has no leader", l.at.topic, l.at.partition)
			lost = true
			later(100 * time.Millisecond)
			left = append(left, l)
			continue
		}
		if l.leader = q.leaders[id]; l.leader == nil {
			l.leader = &leader{}
			q.leaders[id] = l.leader
		}
		wait := l.notUntil.Sub(now)
		switch {
		case !wanted(l.leader):
			if !l.leader.busy {
				q.nudge()
			}
			left = append(left, l)
			continue
		case wait > 0:
			later(wait)
			left = append(left, l)
			continue
		case l.leader.bytes > maxRequest:
			left = append(left, l)
			continue
		}
		l.ready = false
		if l.load(q.session, now) {
			l.sending, l.leader.began = true, now
			l.leader.bytes += len(l.flight.encoded)
			lanes = append(lanes, l)
		}
	}
	clear(q.ready[len(left):])
	q.ready = left
	return lanes, again, lost
}
