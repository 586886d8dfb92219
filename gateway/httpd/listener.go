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

// listener bounds how many connections are open, and makes each give up on a peer that does not read.
type listener struct {
	*net.TCPListener
	server *Server

	mu     sync.Mutex
	open   map[*conn]struct{}
	closed chan struct{}
	once   sync.Once
}

func newListener(tcp *net.TCPListener, s *Server) *listener {
	return &listener{TCPListener: tcp, server: s, open: map[*conn]struct{}{}, closed: make(chan struct{})}
}

// Accept waits for a connection within the limit. An error other than a closed listener, as too many open files, is
// waited out: it must not end the server.
func (l *listener) Accept() (net.Conn, error) {
	for {
		tcp, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			l.server.options.Log.Error().Err(err).Msg("accept a connection")
			select {
			case <-l.closed:
				return nil, net.ErrClosed
			case <-time.After(100 * time.Millisecond):
				continue
			}
		}
		if c := l.admit(tcp); c != nil {
			return c, nil
		}
		_ = tcp.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(tcp, full)
		_ = tcp.Close()
	}
}

func (l *listener) admit(tcp *net.TCPConn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil
	default:
	}
	if len(l.open) >= l.server.options.Connections {
		return nil
	}
	c := &conn{TCPConn: tcp, listener: l}
	l.open[c] = struct{}{}
	return c
}

// Close stops listening, and hangs up on those who have said nothing yet: fasthttp takes their connections for busy ones, and
// many clients open some to have them ready. A second call does nothing.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.closed)
		err = l.TCPListener.Close()
		l.hangUp(func(c *conn) bool { return !c.spoke.Load() })
	})
	return err
}

// cut stops listening and closes every connection.
func (l *listener) cut() {
	_ = l.Close()
	l.hangUp(func(*conn) bool { return true })
}

func (l *listener) hangUp(which func(*conn) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if which(c) {
			_ = c.TCPConn.Close()
		}
	}
}

// conn is one connection.
type conn struct {
	*net.TCPConn
	listener *listener
	spoke    atomic.Bool // the peer has sent something
	unread   atomic.Bool // the peer may still be sending a body that nobody reads
}

// Read notes that the peer has spoken.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 && !c.spoke.Load() {
		c.spoke.Store(true)
	}
	return n, err
}

// Write fails when the peer takes longer than the write timeout for it, so that a stream may last and a dead peer not.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.listener.server.options.Write)); err != nil {
		return 0, err
	}
	return c.TCPConn.Write(p)
}

// Close ends the connection. Where the peer may still be sending, it is given a second to see the answer: closing with
// bytes unread resets the connection, and many clients then lose the answer that was on its way.
func (c *conn) Close() error {
	if c.unread.Swap(false) && c.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, c.TCPConn)
	}
	c.listener.mu.Lock()
	delete(c.listener.open, c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}
