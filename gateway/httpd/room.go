package httpd

import (
	"cmp"
	"slices"
	"time"
)

// makeRoom hangs up on the connections that have kept the server waiting for longest, a 64th of all who may be open, and says
// on how many. Whose request is here as a whole is never among them, nor who has not waited for as long as atLeast.
func (l *listener) makeRoom(atLeast time.Duration) int {
	return l.hangUp(atLeast, max(1, l.server.options.Connections/64), func(phase) bool { return true })
}

// relieve hangs up on those whose request has been on its way for seconds, where there is no memory for one more: what they
// have sent so far is held for nobody knows how long. It does so a few times a second at most.
func (l *listener) relieve() {
	now := l.now()
	l.mu.Lock()
	soon := now-l.relieved < int64(250*time.Millisecond)
	if !soon {
		l.relieved = now
	}
	l.mu.Unlock()
	if !soon {
		l.hangUp(2*time.Second, max(1, l.server.options.Connections/64), func(p phase) bool { return p == arriving })
	}
}

// hangUp closes at most some connections, those first whose phase has lasted for longest.
func (l *listener) hangUp(atLeast time.Duration, most int, which func(phase) bool) (hungUp int) {
	type waiting struct {
		*conn
		phase phase
		since int64
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []waiting
	before := l.now() - int64(atLeast)
	for c := range l.open {
		p, since := phase(c.phase.Load()), c.since.Load()
		if p != busy && p != gone && since <= before && which(p) {
			all = append(all, waiting{c, p, since})
		}
	}
	slices.SortFunc(all, func(a, b waiting) int { return cmp.Compare(a.since, b.since) })
	for _, w := range all[:min(most, len(all))] {
		if w.turn(w.phase, gone) {
			_ = w.TCPConn.Close()
			delete(l.open, w.conn)
			hungUp++
		}
	}
	return hungUp
}

// watch looks at all connections now and again, until ended is closed.
func (l *listener) watch(ended <-chan struct{}) {
	o := &l.server.options
	tick := time.NewTicker(min(time.Second, o.Read/4, o.Write/4, o.Idle/4, o.Park/4))
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			l.look()
		}
	}
}

// look makes those reads and writes return that have taken too long; a read also where its connection is to be parked.
func (l *listener) look() {
	now, past := l.now(), time.Unix(1, 0)
	l.clock.Store(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	o := &l.server.options
	for c := range l.open {
		if began := c.writing.Load(); began != 0 && now-began > int64(o.Write) {
			_ = c.SetWriteDeadline(past)
		}
		limit := o.timeout(phase(c.phase.Load()))
		if c.is(quiet) {
			limit = min(limit, o.Park)
		}
		if limit > 0 && now-c.since.Load() > int64(limit) {
			_ = c.TCPConn.SetReadDeadline(past)
		}
	}
}
