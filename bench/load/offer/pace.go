package offer

import (
	"net"
	"runtime"
	"sync"
	"time"
)

// pace makes one webhook due after the other, at even distances, and sends each by the connection that has been free for the
// longest time. Where none is, the webhook waits for the next one; its time runs.
func (r *run) pace() {
	runtime.LockOSThread() // else waking up waits for the scheduler's own timers, which are a millisecond wide
	defer runtime.UnlockOSThread()
	defer r.queue.finish()
	maker := r.Mix.Maker()
	for k := 0; r.ended.Err() == nil; k++ {
		due := time.Duration(float64(k) / r.Rate * float64(time.Second))
		if due >= r.until {
			return
		}
		if wait := due - r.since(); wait > 0 {
			r.Sleep(wait)
		}
		if l, conn, n := r.queue.take(due); l != nil {
			r.tally.late.record(r.since() - due)
			l.send(maker, conn, n)
		}
	}
}

// queue joins webhooks that are due and connections that are free; at most one kind waits.
type queue struct {
	mu    sync.Mutex
	lines fifo[*line]
	dues  fifo[time.Duration]
	over  bool // nothing becomes due any more
}

// take gives a free connection and the number of the webhook that is on it from now on, or lets what is due wait and gives nil.
func (q *queue) take(due time.Duration) (l *line, conn net.Conn, n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, ok := q.lines.pop()
	if !ok {
		q.dues.push(due)
		return nil, nil, 0
	}
	conn, n = l.assign(due)
	return l, conn, n
}

// free says that a connection is free: it is given what has waited for the longest time, or waits itself. more is false
// where it will not be needed again.
func (q *queue) free(l *line) (due time.Duration, given, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if due, ok := q.dues.pop(); ok {
		return due, true, true
	}
	if q.over {
		return 0, false, false
	}
	q.lines.push(l)
	return 0, false, true
}

// waiting gives what has waited for the longest time, if anything has.
func (q *queue) waiting() (due time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dues.pop()
}

// lose takes a free connection out; false where it was given a webhook already.
func (q *queue) lose(l *line) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lines.remove(l)
}

// old takes out what has been due since a moment.
func (q *queue) old(since time.Duration) (dues []time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if due, ok := q.dues.peek(); !ok || due > since {
			return dues
		}
		due, _ := q.dues.pop()
		dues = append(dues, due)
	}
}

// finish says that nothing becomes due any more, and ends the connections that are free.
func (q *queue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	for l, ok := q.lines.pop(); ok; l, ok = q.lines.pop() {
		l.hangUp(none)
	}
}

// finished says that nothing is due any more.
func (q *queue) finished() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, waits := q.dues.peek()
	return q.over && !waits
}
