package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// maxQueued bounds the bytes that wait for Kafka; beyond it Publish refuses at once.
const maxQueued = 64 << 20

// Publish keeps records: it returns nil once all in-sync replicas have every one, and then Partition and Offset are set in
// each. Records for one partition keep their order, within a call and over calls that follow each other. Calls that come
// together share a request (group commit); a lone one waits for nothing. When ctx ends first, or too much is queued, the
// error is of the kind fault.Unavailable, and any of the records may stand in the log all the same. It does not hold on to
// the records' bytes after it has returned.
func (b *Bus) Publish(ctx context.Context, records ...*stream.Record) error {
	if len(records) == 0 {
		return nil
	}
	w := &waiter{done: make(chan struct{}), left: len(records), places: make([]place, len(records)), offsets: make([]int64, len(records))}
	items := make([]item, len(records))
	for i, r := range records {
		at, err := b.placeOf(r)
		if err != nil {
			return err
		}
		w.places[i] = at
		items[i] = item{waiter: w, index: i, body: body(r)}
		if size, most := len(items[i].body)+batchOverhead+recordOverhead, b.topics[at.topic].maxBytes; size > most {
			return fault.New(fault.TooLarge, "record_too_large", "A record of %s has %d bytes, at most %d are kept.", at.topic, size, most)
		}
	}
	if !b.queue.put(items) {
		return fault.New(fault.Unavailable, "kafka_slow", "Kafka is slower than what comes in; try again.")
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		return fault.Wrap(b.queue.leave(w, context.Cause(ctx)), fault.Unavailable, "kafka_away", "Kafka did not answer in time; try again")
	case <-b.ctx.Done():
		return fault.Wrap(b.queue.leave(w, errClosed), fault.Unavailable, "kafka_away", "The gateway is stopping; try again")
	}
	if w.err != nil {
		return w.err
	}
	for i, r := range records {
		r.Partition, r.Offset = w.places[i].partition, w.offsets[i]
	}
	return nil
}

func (b *Bus) placeOf(r *stream.Record) (place, error) {
	n := b.Partitions(r.Topic)
	if n == 0 {
		return place{}, fmt.Errorf("publish: unknown topic %q", r.Topic)
	}
	at := place{r.Topic, r.Partition}
	if r.Partition == stream.AnyPartition {
		at.partition = stream.Spread(string(r.Key), n)
	}
	if at.partition < 0 || at.partition >= n {
		return place{}, fmt.Errorf("publish: %s has no partition %d of %d", r.Topic, at.partition, n)
	}
	return at, nil
}

// waiter is one call of Publish. Its fields are guarded by the queue's mutex until done is closed.
type waiter struct {
	done    chan struct{}
	left    int // records without an answer
	err     error
	gone    bool  // nobody waits any more
	last    error // why its records are still here, for the log
	places  []place
	offsets []int64
}

// item is one record on its way.
type item struct {
	waiter *waiter
	index  int
	body   []byte
}

// queue holds what waits for Kafka, by partition.
type queue struct {
	mu    sync.Mutex
	bytes int
	lanes map[place]*lane // of every partition ever published to
	ready map[*lane]bool  // those with something to send and nothing on its way
	wake  chan struct{}
}

func (q *queue) init() {
	q.lanes, q.ready, q.wake = map[place]*lane{}, map[*lane]bool{}, make(chan struct{}, 1)
}

// put takes all items or none.
func (q *queue) put(items []item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := 0
	for _, it := range items {
		size += len(it.body)
	}
	if q.bytes > 0 && q.bytes+size > maxQueued {
		return false
	}
	q.bytes += size
	for _, it := range items {
		at := it.waiter.places[it.index]
		l := q.lanes[at]
		if l == nil {
			l = &lane{at: at}
			q.lanes[at] = l
		}
		l.waiting = append(l.waiting, it)
		if !l.sending {
			q.ready[l] = true
		}
	}
	q.nudge()
	return true
}

// nudge wakes the flusher.
func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// leave says that a waiter has given up, and why its records were not acknowledged yet.
func (q *queue) leave(w *waiter, cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.gone = true
	if w.last != nil {
		return fmt.Errorf("%w: %w", cause, w.last)
	}
	return cause
}

// answer tells the waiters of items; base is the offset of the first. The mutex is held.
func (q *queue) answer(items []item, base int64, err error) {
	for i, it := range items {
		q.bytes -= len(it.body)
		w := it.waiter
		w.offsets[it.index] = base + int64(i)
		w.err = errors.Join(w.err, err)
		if w.left--; w.left == 0 {
			close(w.done)
		}
	}
}

// drop answers everything that is left with an error.
func (q *queue) drop(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		if l.flight != nil {
			q.answer(l.flight.items, 0, err)
			l.flight = nil
		}
		q.answer(l.waiting, 0, err)
		l.waiting = nil
	}
}
