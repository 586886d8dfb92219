package bus

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

const (
	maxQueued = 64 << 20 // bytes that wait for Kafka; beyond it Publish refuses at once
	maxLocked = 64 << 10 // bytes of a record that is encoded while everybody else waits
	maxKept   = 2 << 20  // bytes of a buffer that is used again
)

// queue holds what waits for Kafka, by partition.
type queue struct {
	mu      sync.Mutex
	bytes   int
	lanes   map[place]*lane      // of every partition ever published to
	ready   []*lane              // those with something to send and nothing on its way
	turns   map[stream.Topic]int // the partition that records which may go anywhere go to now
	leaders map[int32]*leader
	session session
	valid   bool  // session may be used
	why     error // why nothing can be sent at all, for the log
	closed  error
	wake    chan struct{}

	// Both pools serve every webhook: without them a record of 1 KiB costs 3 allocations and 4.7 KB (BenchmarkQueue), and the
	// collector's work is seen in p99 first.
	batches sync.Pool // of *openBatch
	waiters sync.Pool // of *waiter
}

// leader is a broker as publishing sees it.
type leader struct {
	busy  bool      // a committer is at work for it
	began time.Time // its last request
	bytes int       // of the request that is being put together
}

func (q *queue) init() {
	q.lanes, q.turns, q.leaders = map[place]*lane{}, map[stream.Topic]int{}, map[int32]*leader{}
	q.wake = make(chan struct{}, 1)
}

// waiter gives a waiter for so many records.
func (q *queue) waiter(records int) *waiter {
	w, _ := q.waiters.Get().(*waiter)
	if w == nil {
		w = &waiter{told: make(chan struct{}, 1)}
	}
	if cap(w.parts) < records {
		w.parts = make([]part, records)
	}
	w.parts, w.left = w.parts[:records], records
	return w
}

// done takes a waiter back, unless somebody may still tell it.
func (q *queue) done(w *waiter) {
	if w.queued {
		return
	}
	clear(w.parts)
	w.err, w.gone = nil, false
	q.waiters.Put(w)
}

// batch gives an empty batch.
func (q *queue) batch() *openBatch {
	o, _ := q.batches.Get().(*openBatch)
	if o == nil {
		o = &openBatch{}
	}
	o.encoded = begin(o.encoded)
	return o
}

// lone encodes a large record into a batch of its own, which others may join, before anybody has to wait for it.
func (q *queue) lone(r *stream.Record) *openBatch {
	o := q.batch()
	o.encoded = add(o.encoded, 0, r)
	return o
}

// put takes all records of a call or none.
func (q *queue) put(w *waiter, records []*stream.Record, partitions func(stream.Topic) int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return fault.Wrap(q.closed, fault.Unavailable, "kafka_away", "The gateway is stopping; try again")
	}
	size := 0
	for i := range w.parts {
		size += w.parts[i].size
	}
	if q.bytes > 0 && q.bytes+size > maxQueued {
		return fault.New(fault.Unavailable, "kafka_slow", "Kafka is slower than what comes in; try again.")
	}
	w.queued = true
	idle := false
	for i, r := range records {
		p := &w.parts[i]
		if p.at.partition == stream.Anywhere {
			p.at.partition = q.turn(p.at.topic, partitions(p.at.topic), p.size)
		}
		l := q.lane(p.at)
		p.lane = l
		q.bytes += l.take(q, w, i, r)
		q.see(l)
		idle = idle || l.leader == nil || !l.leader.busy
	}
	if idle { // a busy leader's committer looks for more by itself
		q.nudge()
	}
	return nil
}

func (q *queue) lane(at place) *lane {
	l := q.lanes[at]
	if l == nil {
		l = &lane{at: at}
		q.lanes[at] = l
	}
	return l
}

// see notes that a lane has something to send. The mutex is held.
func (q *queue) see(l *lane) {
	if !l.ready && !l.sending && (l.flight != nil || len(l.waiting) > 0) {
		l.ready = true
		q.ready = append(q.ready, l)
	}
}

// nudge wakes the flusher.
func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// leave says that a waiter gives up, and gives why its records were not acknowledged yet; nil if they just were. What nobody
// else waits for either is dropped, unless it is on its way.
func (q *queue) leave(w *waiter, cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.left == 0 {
		w.queued = false
		<-w.told
		return nil
	}
	w.gone = true
	why := q.why
	for i := range w.parts {
		p := w.parts[i]
		if p.batch == nil {
			continue
		}
		if p.lane.why != nil {
			why = p.lane.why
		}
		if p.batch.alive--; p.batch.alive == 0 {
			p.lane.drop(q, p.batch)
		}
	}
	if why != nil {
		return fmt.Errorf("%w: %w", cause, why)
	}
	return cause
}

// answer tells the waiters of a batch; base is the offset of its first record. The mutex is held.
func (q *queue) answer(o *openBatch, base int64, err error) {
	q.bytes -= len(o.encoded)
	for i, e := range o.entries {
		w := e.waiter
		w.parts[e.part].offset, w.parts[e.part].batch = base+int64(i), nil
		if err != nil {
			w.err = errors.Join(w.err, err)
		}
		if w.left--; w.left > 0 {
			continue
		}
		if !w.gone {
			w.queued = false
		}
		w.told <- struct{}{} // has room for this one
	}
	q.recycle(o)
}

// recycle takes the memory of a batch that is over, unless a request may still be reading it.
func (q *queue) recycle(o *openBatch) {
	if o.read || cap(o.encoded) > maxKept {
		return
	}
	clear(o.entries)
	*o = openBatch{encoded: o.encoded[:0], entries: o.entries[:0]}
	q.batches.Put(o)
}

// drop answers everything that is left with an error, and takes nothing more.
func (q *queue) drop(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = err
	err = fault.Wrap(err, fault.Unavailable, "kafka_away", "The gateway is stopping; try again")
	for _, l := range q.lanes {
		if l.flight != nil {
			q.answer(l.flight, 0, err)
			l.flight = nil
		}
		for _, o := range l.waiting {
			q.answer(o, 0, err)
		}
		l.waiting = nil
	}
}
