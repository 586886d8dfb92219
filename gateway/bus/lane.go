package bus

import (
	"bytes"
	"slices"
	"time"

	"optgate/pipeline/stream"
)

const (
	maxBatch   = 1 << 20  // bytes of one batch; a larger record travels alone
	maxRequest = 16 << 20 // bytes of one request
)

// openBatch is a batch that is being filled, or is on its way: the records as Kafka takes them, and who waits for each.
type openBatch struct {
	encoded []byte
	entries []entry
	alive   int  // entries whose waiter still waits
	read    bool // a request whose end nobody saw may still be reading encoded: it is not to be written again

	session  session // that it was sealed for
	sequence int32
}

// entry is one record of a batch: the part of a waiter.
type entry struct {
	waiter *waiter
	part   int
}

// lane is the way to one partition. At most one batch is on its way, so that its order and sequence hold.
type lane struct {
	at       place
	leader   *leader      // when it was last sent to
	waiting  []*openBatch // the last one takes more
	flight   *openBatch   // sent or about to be; once sent it is sent again, the same, until the broker says what became of it
	ready    bool         // stands in the queue's list
	sending  bool
	notUntil time.Time     // after a failure
	backoff  time.Duration // the last wait
	why      error         // the last failure, for those who give up

	session  session // that sequence belongs to
	sequence int32   // of the next batch
}

// take writes a record into the last batch, or into a new one, and gives how many bytes that took. The mutex is held.
func (l *lane) take(q *queue, w *waiter, part int, r *stream.Record) int {
	p, before := &w.parts[part], 0
	o := p.batch // a large record has its own
	if o == nil {
		if n := len(l.waiting); n > 0 && l.waiting[n-1].fits(p.size) {
			o = l.waiting[n-1]
			before = len(o.encoded)
		} else {
			o = q.batch()
			l.waiting = append(l.waiting, o)
		}
		o.encoded = add(o.encoded, len(o.entries), r)
		p.batch = o
	} else {
		l.waiting = append(l.waiting, o)
	}
	o.entries = append(o.entries, entry{w, part})
	o.alive++
	return len(o.encoded) - before
}

// drop takes out a batch that nobody waits for any more, unless it is on its way.
func (l *lane) drop(q *queue, o *openBatch) {
	if i := slices.Index(l.waiting, o); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		q.answer(o, 0, nil)
	}
	if len(l.waiting) == 0 && l.flight == nil {
		l.why = nil // nothing is left that would find out whether it still fails
	}
}

// load makes the lane's next flight; false if there is nothing to send. The session is never one that the lane has left: its
// sequence would begin anew, and brokers swallow what seems to be a repeat. The mutex is held.
func (l *lane) load(s session, now time.Time) bool {
	if l.flight != nil {
		return true
	}
	if len(l.waiting) == 0 {
		return false
	}
	o := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	if l.session != s {
		l.session, l.sequence = s, 0
	}
	o.session, o.sequence = l.session, l.sequence
	seal(o.encoded, o.session, o.sequence, now.UnixMilli(), len(o.entries))
	l.flight = o
	return true
}

// reload takes a flight back, to be sent under another session. If the broker had stored it after all, its records will
// stand there twice: whoever reads them knows repeats by their ids.
func (l *lane) reload() {
	if l.flight.read {
		l.flight.encoded, l.flight.read = bytes.Clone(l.flight.encoded), false
	}
	l.waiting = slices.Insert(l.waiting, 0, l.flight)
	l.flight = nil
}

// fail puts off the next attempt.
func (l *lane) fail(err error) {
	l.backoff = min(max(2*l.backoff, firstBackoff), lastBackoff)
	l.notUntil = time.Now().Add(l.backoff)
	l.why = err
}
