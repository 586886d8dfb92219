package httpd

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"
)

// serve runs the handler within the limit of requests, and never leaves a body half read on a connection that goes on:
// the rest would be taken for the next request.
func (s *Server) serve(rc *fasthttp.RequestCtx) {
	c := rc.Conn().(*conn)       //nolint:forcetypeassert // what our listener gives
	if !c.turn(arriving, busy) { // hung up on a moment ago: nobody would see an answer
		rc.SetConnectionClose()
		return
	}
	c.whole = false
	if c.takeSlot() || s.options.Vital != nil && s.options.Vital(&rc.Request.Header) {
		s.handle(rc)
		c.leaveSlot()
	} else {
		Busy(rc)
		if s.options.Refused != nil {
			s.options.Refused(fasthttp.StatusServiceUnavailable)
		}
	}
	if !c.whole && !drained(rc) {
		closeUnread(rc)
	}
	if rc.Response.IsBodyStream() || len(rc.Response.Body()) > 0 {
		rc.Response.Header.Set("X-Content-Type-Options", "nosniff")
	}
}

// takeSlot lets a request run; false where too many do.
func (c *conn) takeSlot() bool {
	s := c.listener.server
	if c.slot = s.running.Add(1) <= int64(s.options.Requests); !c.slot {
		s.running.Add(-1)
	}
	return c.slot
}

func (c *conn) leaveSlot() {
	if c.slot {
		c.listener.server.running.Add(-1)
		c.slot = false
	}
}

// turned notes what fasthttp does with a connection: it waits for the next request, or has seen its first byte. Since when is
// noted first: who has just begun would otherwise pass, for a moment, for one who has kept us waiting, and be hung up on.
func (s *Server) turned(nc net.Conn, to fasthttp.ConnState) {
	if to != fasthttp.StateIdle && to != fasthttp.StateActive {
		return
	}
	c := nc.(*conn) //nolint:forcetypeassert // what our listener gives
	c.since.Store(c.listener.now())
	if to == fasthttp.StateIdle {
		c.turn(busy, quiet)
	} else {
		c.turn(quiet, arriving)
	}
}

// Busy answers that the request may be repeated in a second.
func Busy(rc *fasthttp.RequestCtx) {
	rc.Response.Reset()
	rc.SetStatusCode(fasthttp.StatusServiceUnavailable)
	rc.Response.Header.Set("Retry-After", "1")
}

// handle turns a panic into a 500 and a line in the log with its stack. The panic's own words are logged only where the
// runtime chose them: any other value may hold a piece of a message.
func (s *Server) handle(rc *fasthttp.RequestCtx) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		s.logPanic(p)
		rc.Response.Reset()
		rc.SetStatusCode(fasthttp.StatusInternalServerError)
		rc.SetConnectionClose()
	}()
	s.options.Handler(s.requests, rc)
}

func (s *Server) logPanic(p any) {
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	s.options.Log.Error().Str("panic", what).Bytes("stack", debug.Stack()).Msg("handler panicked")
}

// admit is called with each header. A refused request is marked as one that waits for "100 Continue", which makes
// fasthttp ask expect before it reads the body.
func (s *Server) admit(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if ambiguous(h) || s.options.Admit != nil && s.options.Admit(h) != 0 {
		h.Set("Expect", "100-continue")
	}
	return fasthttp.RequestConfig{}
}

func (s *Server) expect(rc *fasthttp.RequestCtx) int {
	if ambiguous(&rc.Request.Header) {
		closeUnread(rc)
		return fasthttp.StatusBadRequest
	}
	if s.options.Admit == nil {
		return fasthttp.StatusContinue
	}
	status := s.options.Admit(&rc.Request.Header)
	if status == 0 {
		return fasthttp.StatusContinue
	}
	closeUnread(rc)
	if s.options.Refused != nil {
		s.options.Refused(status)
	}
	return status
}

// unreadable answers what is no request, or took too long to become one. fasthttp closes the connection afterwards.
func (s *Server) unreadable(rc *fasthttp.RequestCtx, err error) {
	var timeout net.Error
	var header *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &header):
		rc.SetStatusCode(fasthttp.StatusRequestHeaderFieldsTooLarge)
	case errors.As(err, &timeout) && timeout.Timeout():
		rc.SetStatusCode(fasthttp.StatusRequestTimeout)
	default:
		rc.SetStatusCode(fasthttp.StatusBadRequest)
	}
	closeUnread(rc)
}

func closeUnread(rc *fasthttp.RequestCtx) {
	rc.SetConnectionClose()
	if c, ok := rc.Conn().(*conn); ok {
		c.unread.Store(true)
	}
}

// terse logs what fasthttp says of connections, for whoever debugs one. Its arguments stay out: they hold addresses and
// pieces of requests.
type terse struct{ log zerolog.Logger }

// Printf logs the format alone.
func (t terse) Printf(format string, _ ...any) {
	t.log.Debug().Str("what", format).Msg("connection")
}
