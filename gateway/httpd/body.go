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
	body := rc.RequestBodyStream()
	if body == nil {
		return buf, nil
	}
	length := rc.Request.Header.ContentLength()
	if length > limit {
		return buf, tooLarge(limit)
	}
	if length > 0 {
		buf = slices.Grow(buf, length)
	}
	for read := 0; ; {
		if len(buf) == cap(buf) && (length < 0 || read < length) {
			buf = slices.Grow(buf, max(4096, min(len(buf), limit)))
		}
		room := buf[len(buf):cap(buf)]
		if len(room) == 0 { // everything announced is there; what is left to see is the end
			room = make([]byte, 1)
		}
		n, err := body.Read(room)
		buf, read = buf[:min(len(buf)+n, cap(buf))], read+n
		switch {
		case read > limit:
			return buf, tooLarge(limit)
		case errors.Is(err, io.EOF):
			if length > read {
				return buf, brokenOff(io.ErrUnexpectedEOF)
			}
			rc.SetUserValue(readKey{}, true)
			return buf, nil
		case err != nil:
			return buf, brokenOff(err)
		}
	}
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
