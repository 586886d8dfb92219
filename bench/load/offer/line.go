package offer

import (
	"context"
	"net"
	"sync"
	"time"

	"optgate/bench/load/mix"
)

// line is one connection, with at most one webhook on it.
type line struct {
	run   *run
	id    int
	maker *mix.Maker
	got   []byte // read, and not yet an answer

	mu   sync.Mutex
	conn net.Conn      // nil: hung up
	busy bool          // a webhook is on it
	n    uint64        // its number
	due  time.Duration // when it should have been sent
	sent time.Duration
	why  kind // of its end
}

func newLine(r *run, id int) *line {
	return &line{run: r, id: id, maker: r.Mix.Maker(), got: make([]byte, 0, 2<<10)}
}

// dial connects.
func (l *line) dial() error {
	ctx, cancel := context.WithTimeout(l.run.ended, l.run.Timeout)
	defer cancel()
	conn, err := l.run.Dial(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.busy, l.why, l.got = conn, false, none, l.got[:0]
	return nil
}

// assign puts the next webhook on the line, which must be free. What it gives is sent by send.
func (l *line) assign(due time.Duration) (conn net.Conn, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy, l.n, l.due, l.sent = true, l.run.number.Add(1)-1, due, l.run.since()
	return l.conn, l.n
}

// send writes a webhook. That it can't is found out by whoever reads.
func (l *line) send(maker *mix.Maker, conn net.Conn, n uint64) {
	request := maker.Make(n)
	if conn == nil {
		return
	}
	if _, err := conn.Write(request); err != nil {
		l.hangUp(kindOf(err))
	}
}

// sendOn sends what is due by the line's own reader.
func (l *line) sendOn(due time.Duration) {
	conn, n := l.assign(due)
	l.send(l.maker, conn, n)
}

// work reads answers until the offer ends, and sends what waits or, without a rate, the next one.
func (l *line) work() {
	defer l.hangUp(none)
	more := l.run.Rate > 0 || l.another() // at a rate the line is free from the start
	for more {
		a, err := l.read()
		if err == nil && !l.isBusy() {
			err = errGarbled // nobody asked
		}
		switch {
		case l.run.ended.Err() != nil:
			return
		case err != nil:
			more = l.broken(err)
		default:
			l.settle(func(due, now time.Duration) { l.run.tally.answered(l.run, l.id, l.n, a.status, due, now) })
			if a.closes {
				l.hangUp(none)
				more = l.redial()
			}
			more = more && l.another()
		}
	}
}

// another sends what is next, or leaves the line free. It is false where nothing comes any more.
func (l *line) another() bool {
	if l.run.Rate == 0 {
		now := l.run.since()
		if now >= l.run.until {
			return false
		}
		l.sendOn(now)
		return true
	}
	due, given, more := l.run.queue.free(l)
	if given {
		l.sendOn(due)
	}
	return more
}

// settle ends the webhook on the line; where there is none, nothing happens.
func (l *line) settle(tell func(due, now time.Duration)) {
	l.mu.Lock()
	busy, due := l.busy, l.due
	l.busy = false
	l.mu.Unlock()
	if busy {
		tell(due, l.run.since())
	}
}

// broken deals with a connection that ended: what was on it failed, and another one takes its place.
func (l *line) broken(err error) bool {
	idle := l.run.Rate > 0 && l.run.queue.lose(l)
	if !idle && !l.isBusy() { // the offer is over
		return false
	}
	why := l.hangUp(kindOf(err))
	if !idle {
		l.settle(func(due, now time.Duration) { l.run.tally.failed(l.run, l.id, why, due, now) })
	}
	return l.redial() && l.another()
}

const redialEvery = 50 * time.Millisecond

// redial connects again. While it can't, webhooks that are due fail; it is false where nothing is due any more.
func (l *line) redial() bool {
	for {
		due, asked := l.run.since(), true
		err := l.dial()
		if err == nil {
			return true
		}
		if l.run.Rate > 0 {
			due, asked = l.run.queue.waiting()
		}
		if asked {
			l.run.tally.failed(l.run, l.id, kindOf(err), due, l.run.since())
		}
		over := l.run.since() >= l.run.until
		if l.run.Rate > 0 {
			over = l.run.queue.finished()
		}
		if over || !l.run.reach(l.run.since()+redialEvery) {
			return false
		}
	}
}

func (l *line) isBusy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy
}

// giveUp hangs up where an answer takes too long.
func (l *line) giveUp(now time.Duration) {
	l.mu.Lock()
	late := l.busy && now-l.sent > l.run.Timeout
	l.mu.Unlock()
	if late {
		l.hangUp(timedOut)
	}
}

// hangUp closes the connection and gives why it was closed first.
func (l *line) hangUp(why kind) kind {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close() // nothing is lost by it
		l.conn, l.why = nil, why
	}
	return l.why
}

// read gives the next answer.
func (l *line) read() (answer, error) {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn == nil {
		return answer{}, net.ErrClosed
	}
	for {
		a, err := parse(l.got)
		if err != nil || a.size > 0 {
			l.got = l.got[:copy(l.got, l.got[a.size:])]
			return a, err
		}
		if len(l.got) == cap(l.got) {
			l.got = append(l.got, 0)[:len(l.got)]
		}
		n, err := conn.Read(l.got[len(l.got):cap(l.got)])
		l.got = l.got[:len(l.got)+n]
		if err != nil && n == 0 {
			return answer{}, err
		}
	}
}
