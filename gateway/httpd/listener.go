package httpd

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// full is what a connection over the limit is told, before it has said anything.
const full = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// listener gives fasthttp the connections on which a request begins, and keeps the others.
type listener struct {
	tcp    *net.TCPListener
	server *Server
	ready  chan *conn // where a request has begun

	began time.Time    // when the listener's clock began, which no change of the time of day moves
	clock atomic.Int64 // it, as of the last look at all connections; never 0

	mu       sync.Mutex
	open     map[*conn]struct{}
	shut     bool
	closed   chan struct{} // once shut
	running  sync.WaitGroup
	relieved int64 // when room was made last, by the clock
}

func newListener(tcp *net.TCPListener, s *Server) *listener {
	l := &listener{
		tcp: tcp, server: s, ready: make(chan *conn), began: time.Now(), open: map[*conn]struct{}{}, closed: make(chan struct{}),
	}
	l.clock.Store(1)
	return l
}

// now reads the listener's clock.
func (l *listener) now() int64 { return int64(time.Since(l.began)) }

// Addr gives the address that is listened on.
func (l *listener) Addr() net.Addr { return l.tcp.Addr() }

// Accept waits for a request to begin.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// accept takes connections until the listener is closed. Any other error, as too many open files, is waited out: it must not
// end the server.
func (l *listener) accept() {
	for {
		tcp, err := l.tcp.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			l.server.options.Log.Error().Err(err).Msg("accept a connection")
			l.makeRoom(time.Second)
			select {
			case <-l.closed:
				return
			case <-time.After(100 * time.Millisecond):
			}
		default:
			l.admit(tcp)
		}
	}
}

// admit parks a new connection. Where there are as many as may be, those make room that have kept the server waiting for
// longest; where nobody has for a second, the new one is refused.
func (l *listener) admit(tcp *net.TCPConn) {
	c := &conn{TCPConn: tcp, listener: l, first: -1}
	c.since.Store(l.now())
	if l.keep(c) || l.makeRoom(time.Second) > 0 && l.keep(c) {
		if !l.park(c) {
			_ = tcp.Close()
		}
		return
	}
	_ = tcp.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(tcp, full)
	_ = tcp.Close()
}

// keep counts a connection; false where there are too many.
func (l *listener) keep(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.server.options.Connections {
		return false
	}
	l.open[c] = struct{}{}
	return true
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// park lets a connection wait for its next request outside of fasthttp, whose buffers and goroutine weigh 20 KiB; false where the
// listener is closed.
func (l *listener) park(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return false
	}
	l.running.Go(func() {
		if c.wait() {
			select {
			case l.ready <- c:
				return
			case <-l.closed:
			}
		}
		l.forget(c)
		_ = c.TCPConn.Close()
	})
	return true
}

// Close stops listening, and hangs up on those who ask nothing. A second call does nothing.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return net.ErrClosed
	}
	l.shut = true
	close(l.closed)
	for c := range l.open {
		if c.is(parked) {
			_ = c.TCPConn.Close()
		}
	}
	return l.tcp.Close()
}

// cut stops listening, closes every connection and waits until none is parked.
func (l *listener) cut() {
	_ = l.Close()
	l.mu.Lock()
	for c := range l.open {
		_ = c.TCPConn.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}
