package httpd

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
)

// Stream answers with what write writes, chunk by chunk as it flushes, after the handler has returned; so write uses
// nothing of rc. Its ctx ends when the client goes away or the server begins to stop, and then it returns soon. An error
// of its own cuts the connection, so that a client can tell an answer that broke off from a whole one; nil, or the end of
// ctx, ends the answer as a whole one. done is told the error once, for the log.
func Stream(rc *fasthttp.RequestCtx, write func(ctx context.Context, w *bufio.Writer) error, done func(error)) {
	s := rc.UserValue(serverKey{}).(*Server) //nolint:forcetypeassert // set by serve before any handler
	c := rc.Conn()
	rc.SetConnectionClose()
	rc.Response.ImmediateHeaderFlush = true
	rc.SetBodyStreamWriter(func(w *bufio.Writer) {
		ctx, cancel := context.WithCancel(s.streams)
		defer cancel()
		_ = c.SetReadDeadline(time.Time{})
		go func() { // ends with the connection, which fasthttp closes after this answer
			defer cancel()
			for b := make([]byte, 512); ; {
				if _, err := c.Read(b); err != nil {
					return
				}
			}
		}()
		err := s.guarded(ctx, w, write)
		ended := ctx.Err() != nil
		if ended || err == nil {
			err = w.Flush()
		}
		if err != nil {
			_ = c.Close()
		}
		if ended { // by the client or by us: nobody's error
			err = nil
		}
		done(err)
	})
}

func (s *Server) guarded(ctx context.Context, w *bufio.Writer, write func(context.Context, *bufio.Writer) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(p)
			err = fmt.Errorf("stream: panic %T", p)
		}
	}()
	return write(ctx, w)
}
