package httpd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Stream answers with what write writes, chunk by chunk as it flushes, after the handler has returned; so write uses
// nothing of rc. Its ctx ends when the client goes away or the server begins to stop, and then it returns soon. An error
// breaks the answer off, that of ctx too, so that a client can tell it from a whole one; nil ends the answer as a whole
// one. done is told the error once, for the log; nil where ctx has ended.
func Stream(rc *fasthttp.RequestCtx, write func(ctx context.Context, w *bufio.Writer) error, done func(error)) {
	c := rc.Conn().(*conn) //nolint:forcetypeassert // what our listener gives
	server := c.listener.server
	ctx, cancel := context.WithCancel(server.streams)
	from, to := io.Pipe()
	s := &streamed{PipeReader: from, cancel: cancel, conn: c}
	s.running.Go(func() {
		w := bufio.NewWriter(to)
		err := server.guarded(ctx, w, write)
		if err == nil {
			_ = w.Flush() // fails only where nobody reads any more
		}
		if ctx.Err() != nil {
			done(nil)
		} else {
			done(err)
		}
		_ = to.CloseWithError(err) // nil: the end
	})
	_ = c.TCPConn.SetReadDeadline(time.Time{})
	s.running.Go(func() { s.watch() })
	rc.SetConnectionClose()
	rc.Response.ImmediateHeaderFlush = true
	rc.SetBodyStream(s, -1)
}

// streamed is the body of a streamed answer. fasthttp closes it when it has written the answer or can't.
type streamed struct {
	*io.PipeReader
	cancel  context.CancelFunc
	conn    *conn
	running sync.WaitGroup
}

// watch ends the stream when the client goes away. It reads what would be the next request: there is none, since the
// connection is closed after a stream.
func (s *streamed) watch() {
	defer s.cancel()
	_, _ = io.Copy(io.Discard, s.conn.TCPConn)
}

// Close ends the stream and waits until nothing of it runs.
func (s *streamed) Close() error {
	s.cancel()
	err := s.PipeReader.Close()
	_ = s.conn.TCPConn.SetReadDeadline(time.Now())
	s.running.Wait()
	return err
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
