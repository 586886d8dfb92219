package httpd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
	"optgate/pipeline/fault"
)

// readingBodies serves a handler that reads bodies of at most 20,000 bytes piece by piece, each piece once it is told to, and gives
// how each ended.
func readingBodies(t *testing.T, read time.Duration, next func(ctx context.Context)) (r running, ended chan error) {
	ended = make(chan error, 1)
	r = start(t, httpd.Options{Read: read, Handler: func(ctx context.Context, rc *fasthttp.RequestCtx) {
		body, err := httpd.Body(rc, 20_000)
		if err != nil {
			ended <- err
			return
		}
		ctx, stop := body.Context(ctx)
		defer stop()
		all, piece := 0, make([]byte, 1000)
		for err == nil {
			next(ctx)
			var n int
			n, err = body.Read(piece)
			all += n
		}
		if !errors.Is(err, io.EOF) {
			ended <- err
			return
		}
		rc.SetBodyString(fmt.Sprint("got ", all))
		ended <- nil
	}})
	return r, ended
}

func codeOf(err error) string {
	if wrong, ok := errors.AsType[*fault.Error](err); ok {
		return wrong.Code
	}
	return fmt.Sprint(err)
}

func TestStreamedBodies(t *testing.T) {
	r, ended := readingBodies(t, 300*time.Millisecond, func(context.Context) {})
	long := strings.Repeat("abcdefghij", 2000)
	for name, f := range map[string]struct{ request, body, code string }{
		"none":                   {"\r\n", "got 0", ""},
		"empty":                  {"Content-Length: 0\r\n\r\n", "got 0", ""},
		"to the limit":           {"Content-Length: 20000\r\n\r\n" + long, "got 20000", ""},
		"announced over it":      {"Content-Length: 20001\r\n\r\n" + long[:8<<10], "", "too_large"},
		"chunked":                {"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "got 5", ""},
		"chunked to the limit":   {fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(long), long), "got 20000", ""},
		"chunked over the limit": {fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n1\r\nx\r\n0\r\n\r\n", len(long), long), "", "too_large"},
		"broken chunk":           {"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "", "broken_off"},
		"stalled":                {"Content-Length: 15000\r\n\r\n" + long[:10_000], "", "too_slow"},
	} {
		t.Run(name, func(t *testing.T) {
			c, from := r.dial(t)
			write(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+f.request)
			_, body := answer(t, from)
			if err := <-ended; err != nil && codeOf(err) != f.code || err == nil && f.code != "" || err == nil && body != f.body {
				t.Errorf("%q, %v", body, err)
			}
			if f.code != "" {
				closed(t, from)
				return
			}
			write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nyes")
			if _, body := answer(t, from); body != "got 3" || <-ended != nil {
				t.Errorf("the connection does not go on: %q", body)
			}
		})
	}
}

func TestAStreamedBodyThatIsCutIsNoWholeOne(t *testing.T) {
	r, ended := readingBodies(t, time.Minute, func(context.Context) {})
	c, _ := r.dial(t)
	write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15000\r\n\r\n"+strings.Repeat("x", 10_000))
	_ = c.Close()
	if err := <-ended; codeOf(err) != "broken_off" {
		t.Error(err)
	}
}

// TestASteadySenderIsNotCut takes longer over a body than a whole request may, on both sides.
func TestASteadySenderIsNotCut(t *testing.T) {
	const read = 400 * time.Millisecond
	held := make(chan struct{})
	first := true
	r, ended := readingBodies(t, read, func(context.Context) {
		if first { // the handler doesn't read for longer than a sender may be silent
			first = false
			<-held
		}
	})
	c, from := r.dial(t)
	write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	tick := time.NewTicker(read / 4)
	defer tick.Stop()
	for n := range 16 {
		<-tick.C
		if n == 7 {
			close(held)
		}
		if n >= 8 {
			write(t, c, "1\r\nx\r\n")
		}
	}
	write(t, c, "0\r\n\r\n")
	if _, body := answer(t, from); body != "got 8" || <-ended != nil {
		t.Errorf("%q", body)
	}
}

func TestStopEndsAStreamedBody(t *testing.T) {
	for name, reads := range map[string]bool{"while it is read": true, "while it is not": false} {
		t.Run(name, func(t *testing.T) {
			entered := make(chan struct{})
			r, ended := readingBodies(t, time.Minute, func(ctx context.Context) {
				select {
				case <-entered:
				default:
					close(entered)
				}
				if !reads {
					<-ctx.Done()
				}
			})
			c, from := r.dial(t)
			write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
			<-entered
			began := time.Now()
			if err := r.stop(); err != nil || time.Since(began) > 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			if err := <-ended; codeOf(err) != "stopping" {
				t.Error(err)
			}
			if resp, _ := answer(t, from); resp.StatusCode != http.StatusOK { // what the handler of this test leaves
				t.Error(resp.Status)
			}
		})
	}
}
