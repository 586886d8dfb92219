package httpd

import (
	"errors"
	"io"
	"net"
	"slices"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
)

// ReadBody reads a request's body of at most limit bytes to its end and appends it to buf. It asks room for every piece as it
// arrives, and for 0 bytes before: its error ends the reading, and makes the server hang up on those whose requests have been
// arriving for seconds. Memory is taken by what arrives, not by what a header announces.
//
// The error is a fault.TooLarge as soon as the limit is known to be passed, by the header or, where that tells no length, by
// the byte that is too many; a fault.Invalid where the body breaks off. Then the connection is closed after the answer. While
// a body is on its way its request does not count among those that run; where too many do once it is here, the error is a
// fault.Unavailable.
func ReadBody(rc *fasthttp.RequestCtx, limit int, buf []byte, room func(bytes int) error) ([]byte, error) {
	stream := rc.RequestBodyStream()
	if stream == nil {
		return buf, nil
	}
	b := body{Reader: stream, length: rc.Request.Header.ContentLength(), limit: limit, room: room}
	if b.length > limit {
		return buf, tooLarge(limit)
	}
	b.conn, _ = rc.Conn().(*conn) // nil where a test calls a handler by itself
	buf, err := b.read(buf)
	if back := b.arrived(); err == nil {
		err = back
	}
	if b.conn != nil {
		b.conn.whole = err == nil
	}
	return buf, err
}

// body is what is being read.
type body struct {
	io.Reader
	conn   *conn
	length int // below 0: chunked, and nobody knows
	limit  int
	room   func(bytes int) error
	away   bool // the request has given its slot back while the rest is on its way
}

func (b *body) read(buf []byte) ([]byte, error) {
	if err := b.take(0); err != nil {
		return buf, err
	}
	if b.length < 0 {
		b.arrives()
	}
	for read := 0; ; {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, step(read, b.length, b.limit))
		}
		n, err := b.Read(buf[len(buf):cap(buf)])
		buf, read = buf[:len(buf)+n], read+n
		if read > b.limit {
			return buf, tooLarge(b.limit)
		}
		if full := b.take(n); full != nil {
			return buf, full
		}
		switch {
		case errors.Is(err, io.EOF) && b.length > read:
			return buf, brokenOff(io.ErrUnexpectedEOF)
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return buf, brokenOff(err)
		}
		b.arrives() // what fasthttp had read ahead is read
	}
}

// take asks for room.
func (b *body) take(bytes int) error {
	err := b.room(bytes)
	if err != nil && b.conn != nil {
		b.conn.listener.relieve()
	}
	return err
}

// arrives gives the request's slot back.
func (b *body) arrives() {
	if b.conn != nil && !b.away {
		b.away = true
		b.conn.leaveSlot()
		b.conn.turn(busy, arriving)
	}
}

// arrived takes the slot again.
func (b *body) arrived() error {
	switch {
	case !b.away:
		return nil
	case !b.conn.turn(arriving, busy):
		return brokenOff(net.ErrClosed)
	case !b.conn.takeSlot():
		return fault.New(fault.Unavailable, "busy", "Too many requests are in hand: come back in a second.")
	}
	return nil
}

// step gives by how much a full buffer grows: to the announced length if that is near, else to the double; always by one
// byte more than can come, which shows the end.
func step(read, length, limit int) int {
	left := limit - read
	if length >= 0 {
		left = length - read
	}
	return min(left, max(read, 8<<10)) + 1
}

func tooLarge(limit int) error {
	return fault.New(fault.TooLarge, "too_large", "The body is over the limit of %d bytes.", limit)
}

func brokenOff(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fault.Wrap(err, fault.Invalid, "too_slow", "The body took too long to arrive.")
	}
	return fault.Wrap(err, fault.Invalid, "broken_off", "The body broke off.")
}

// drained says that nothing of a body is left to be read. What is as small as fasthttp reads ahead is here, and is taken away:
// else everybody who is told to come back would have to connect anew.
func drained(rc *fasthttp.RequestCtx) bool {
	stream, length := rc.RequestBodyStream(), rc.Request.Header.ContentLength()
	if stream == nil || length == 0 {
		return true
	}
	if length < 0 || length > 8<<10 {
		return false
	}
	for {
		var piece [512]byte
		if _, err := stream.Read(piece[:]); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
