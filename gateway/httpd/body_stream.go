package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
)

// BodyStream is a request's body, read by a handler as it arrives and never held as a whole. Its sender may take as long as it
// likes while it sends: only one that says nothing for as long as a whole request may otherwise take is hung up on. Nobody
// is while the handler doesn't read.
type BodyStream struct {
	from  io.Reader
	conn  *conn // nil where a test calls a handler by itself
	left  int64 // bytes that may come
	limit int
	want  int64 // bytes that are announced and have not come; below 0: nobody knows
	done  error // what ended it
}

// Body gives the body of a request, of at most limit bytes: the error is a fault.TooLarge where its header announces more.
// The body's own errors are ReadBody's, and a fault.Unavailable once the server begins to stop.
func Body(rc *fasthttp.RequestCtx, limit int) (*BodyStream, error) {
	length := rc.Request.Header.ContentLength()
	if length > limit {
		return nil, tooLarge(limit)
	}
	b := &BodyStream{from: rc.RequestBodyStream(), left: int64(limit) + 1, limit: limit, want: int64(length)}
	b.conn, _ = rc.Conn().(*conn)
	if b.from == nil {
		b.done = io.EOF
	}
	return b, nil
}

// Context gives one that ends when the server begins to stop, for what the handler does with the body. stop lets it go.
func (b *BodyStream) Context(otherwise context.Context) (ctx context.Context, stop func()) {
	if b.conn == nil {
		return context.WithCancel(otherwise)
	}
	ctx, cancel := context.WithCancel(b.conn.listener.server.streams)
	wake := context.AfterFunc(ctx, func() { // whoever waits for the peer
		b.conn.since.Store(long)
		_ = b.conn.TCPConn.SetReadDeadline(time.Unix(1, 0))
	})
	return ctx, func() {
		wake()
		cancel()
	}
}

// long ago by the listener's clock: whatever began then is overdue.
const long = int64(-1 << 62)

// Read gives what has arrived.
func (b *BodyStream) Read(p []byte) (int, error) {
	if b.done != nil {
		return 0, b.done
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.read(p)
	b.left -= int64(n)
	if b.want >= 0 {
		b.want -= int64(n)
	}
	switch {
	case b.left == 0:
		b.done = tooLarge(b.limit)
		return 0, b.done
	case errors.Is(err, io.EOF) && b.want > 0:
		b.done = brokenOff(io.ErrUnexpectedEOF)
	case errors.Is(err, io.EOF):
		b.done = io.EOF
		if b.conn != nil {
			b.conn.whole = true
		}
	case err != nil:
		b.done = b.broken(err)
	}
	return n, b.done
}

// read waits for the peer, as one whose request is on its way.
func (b *BodyStream) read(p []byte) (int, error) {
	c := b.conn
	if c == nil {
		return b.from.Read(p)
	}
	c.since.Store(c.listener.now())
	if !c.turn(busy, arriving) {
		return 0, net.ErrClosed
	}
	if c.listener.server.streams.Err() != nil {
		c.since.Store(long)
	}
	n, err := b.from.Read(p)
	if !c.turn(arriving, busy) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (b *BodyStream) broken(err error) error {
	if b.conn != nil && b.conn.listener.server.streams.Err() != nil {
		return fault.Wrap(err, fault.Unavailable, "stopping", "The gateway stops. Send the request again.")
	}
	return brokenOff(err)
}
