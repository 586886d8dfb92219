package httpd

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// phase of a connection. Only the evictor moves a connection that it does not serve, and only to gone.
type phase int32

const (
	parked   phase = iota // nothing is asked, and nothing is kept for it but a goroutine that waits for a byte
	arriving              // a request has begun and is not here as a whole
	busy                  // a request is here as a whole, and its answer not yet out
	quiet                 // answered a moment ago; fasthttp waits for the next request with its buffers at hand
	gone                  // hung up on, to make room
)

// conn is one connection. Its timeouts are not timers: whoever reads or writes notes since when, and the listener looks at
// all connections now and again. A request would set three timers otherwise, which is half of what this package costs.
type conn struct {
	*net.TCPConn
	listener *listener

	phase   atomic.Int32
	since   atomic.Int64 // when the phase began, by the listener's clock
	writing atomic.Int64 // when the write that is going on began, by the listener's clock; 0: none is

	unread atomic.Bool // the peer may still be sending a body that nobody reads

	// Of the goroutine that serves alone:
	whole bool // the body of the request was read to its end
	slot  bool // the request counts among those that run
	first int  // the byte that ended the parking; below 0: it was given on
}

func (c *conn) is(p phase) bool          { return phase(c.phase.Load()) == p }
func (c *conn) turn(from, to phase) bool { return c.phase.CompareAndSwap(int32(from), int32(to)) }

// timeout says how long a phase may last; 0: as long as it likes.
func (o *Options) timeout(p phase) time.Duration {
	switch p {
	case parked, quiet:
		return o.Idle
	case arriving:
		return o.Read
	default:
		return 0
	}
}

// overdue says that the phase has lasted for too long.
func (c *conn) overdue() bool {
	limit := c.listener.server.options.timeout(phase(c.phase.Load()))
	return limit > 0 && c.listener.now()-c.since.Load() > int64(limit)
}

// SetReadDeadline is called by fasthttp whenever a phase begins, with the end of it.
func (c *conn) SetReadDeadline(t time.Time) error {
	limit := c.listener.server.options.timeout(phase(c.phase.Load()))
	c.since.Store(int64(t.Sub(c.listener.began) - limit))
	return nil
}

// errParked makes fasthttp let go of a connection that is quiet.
var errParked = errors.New("parked")

// Read gives what the peer has sent. A deadline in the past is how the listener makes a read look at the time.
func (c *conn) Read(p []byte) (int, error) {
	if c.first >= 0 && len(p) > 0 {
		p[0] = byte(c.first)
		c.first = -1
		return 1, nil
	}
	for {
		n, err := c.TCPConn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.overdue() {
			return n, err
		}
		if c.listener.now()-c.since.Load() > int64(c.listener.server.options.Park) && c.turn(quiet, parked) {
			return 0, errParked
		}
		if err := c.TCPConn.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
	}
}

// Write fails when the peer takes longer than the write timeout for it, so that a stream may last and a dead peer not.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Store(c.listener.clock.Load())
	n, err := c.TCPConn.Write(p)
	c.writing.Store(0)
	return n, err
}

// Close ends the connection, or parks it. Where the peer may still be sending, it is given a second to see the answer:
// closing with bytes unread resets the connection, and many clients then lose the answer that was on its way.
func (c *conn) Close() error {
	if c.is(parked) && c.listener.park(c) {
		return nil
	}
	if c.unread.Swap(false) && c.CloseWrite() == nil {
		_ = c.TCPConn.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, c.TCPConn)
	}
	c.listener.forget(c)
	return c.TCPConn.Close()
}

// wait waits for the first byte of a request, and says whether one came.
func (c *conn) wait() bool {
	var first [1]byte
	n, err := c.Read(first[:])
	c.since.Store(c.listener.now()) // before the phase, see turned
	if n == 0 || err != nil || !c.turn(parked, arriving) {
		return false
	}
	c.first = int(first[0])
	return true
}
