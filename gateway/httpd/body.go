package httpd

import (
	"errors"
	"io"
	"net"
	"slices"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
)

// readKey notes on a request that its body was read to the end.
type readKey struct{}

// ReadBody reads a request's body of at most limit bytes to its end and appends it to buf. It returns a fault.TooLarge
// as soon as the limit is known to be passed, by the header or, where that tells no length, by the byte that is too
// many; a fault.Invalid where the body breaks off. On an error the connection is closed after the answer.
func ReadBody(rc *fasthttp.RequestCtx, limit int, buf []byte) ([]byte, error) {
	return ReadBodyWithin(rc, limit, buf, func(int) error { return nil })
}

// ReadBodyWithin is ReadBody, and asks room for every piece as it arrives: its error ends the reading. Memory is taken by
// what arrives, not by what a header announces.
func ReadBodyWithin(rc *fasthttp.RequestCtx, limit int, buf []byte, room func(bytes int) error) ([]byte, error) {
	body := rc.RequestBodyStream()
	if body == nil {
		return buf, nil
	}
	length := rc.Request.Header.ContentLength() // below 0: chunked, and nobody knows
	if length > limit {
		return buf, tooLarge(limit)
	}
	for read := 0; ; {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, step(read, length, limit))
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf, read = buf[:len(buf)+n], read+n
		if read > limit {
			return buf, tooLarge(limit)
		}
		if full := room(n); full != nil {
			return buf, full
		}
		switch {
		case errors.Is(err, io.EOF) && length > read:
			return buf, brokenOff(io.ErrUnexpectedEOF)
		case errors.Is(err, io.EOF):
			rc.SetUserValue(readKey{}, true)
			return buf, nil
		case err != nil:
			return buf, brokenOff(err)
		}
	}
}

// step gives by how much a full buffer grows: to the announced length if that is near, else to the double; always by one
// byte more than can come, which shows the end.
func step(read, length, limit int) int {
	left := limit - read
	if length >= 0 {
		left = length - read
	}
	return min(left, max(read, 64<<10)) + 1
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

// unread says that the request has a body of which something may still be on its way.
func unread(rc *fasthttp.RequestCtx) bool {
	return rc.RequestBodyStream() != nil && rc.Request.Header.ContentLength() != 0 && rc.UserValue(readKey{}) == nil
}
