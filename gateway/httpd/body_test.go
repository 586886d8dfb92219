package httpd_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
	"optgate/pipeline/fault"
)

// anyRoom lets every piece of a body in.
func anyRoom(int) error { return nil }

func TestBodies(t *testing.T) {
	errs := make(chan error, 1)
	r := start(t, httpd.Options{Read: 300 * time.Millisecond, Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
		body, err := httpd.ReadBody(rc, 20_000, []byte("got "), anyRoom)
		errs <- err
		rc.SetBody(body)
	}})
	long := strings.Repeat("abcdefghij", 2000)
	announced := func(n int, body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, body) }
	chunked := func(chunks ...string) string {
		text := "Transfer-Encoding: chunked\r\n\r\n"
		for _, c := range chunks {
			text += fmt.Sprintf("%x\r\n%s\r\n", len(c), c)
		}
		return text
	}
	for name, f := range map[string]struct{ request, body, code string }{
		"none":                       {request: "\r\n", body: "got "},
		"empty":                      {request: announced(0, ""), body: "got "},
		"short":                      {request: announced(5, "hello"), body: "got hello"},
		"longer than was prefetched": {request: announced(20_000, long), body: "got " + long},
		"too long by its header":     {request: announced(20_001, ""), code: "too_large"},
		"chunked":                    {request: chunked("he", "llo", ""), body: "got hello"},
		"chunked to the limit":       {request: chunked(long, ""), body: "got " + long},
		"chunked over the limit":     {request: chunked(long, "x"), code: "too_large"},
		"too slow":                   {request: announced(15_000, long[:10_000]), code: "too_slow"},
		"broken chunk":               {request: "Transfer-Encoding: chunked\r\n\r\nzz\r\n", code: "broken_off"},
	} {
		t.Run(name, func(t *testing.T) {
			c, from := r.dial(t)
			write(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+f.request)
			if name == "too long by its header" { // fasthttp prefetches 8 KiB before any handler runs
				write(t, c, long[:8<<10])
			}
			_, body := answer(t, from)
			err := <-errs
			if f.code == "" {
				if err != nil || body != f.body {
					t.Errorf("%v, %d bytes", err, len(body))
				}
				write(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+announced(3, "yes"))
				if _, body := answer(t, from); body != "got yes" || <-errs != nil {
					t.Errorf("the connection does not go on: %q", body)
				}
				return
			}
			if wrong, ok := err.(*fault.Error); !ok || wrong.Code != f.code { //nolint:errorlint // returned as it is
				t.Errorf("error: %v", err)
			}
			closed(t, from)
		})
	}
}

func TestHandlerThatReadsNoBodyGetsNoSecondRequestOutOfIt(t *testing.T) {
	var calls atomic.Int32
	r := start(t, httpd.Options{Handler: func(context.Context, *fasthttp.RequestCtx) { calls.Add(1) }})
	c, from := r.dial(t)
	inner := "GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
	write(t, c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(inner), inner))
	answer(t, from)
	closed(t, from)
	if calls.Load() != 1 {
		t.Errorf("%d requests were seen in one", calls.Load())
	}
}

func TestAnswerReachesAClientThatIsStillSending(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello})
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+r.Addr(), io.LimitReader(endless{}, 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error(resp.Status)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello})
	c, from := r.dial(t)
	for _, body := range []string{"1", "22", "333"} {
		write(t, c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
	for _, want := range []string{"POST 1", "POST 22", "POST 333"} {
		if _, body := answer(t, from); body != want {
			t.Errorf("%q, not %q", body, want)
		}
	}
}

// admitted lets in who shows a pass, before the body is read.
func admitted(t *testing.T) (r running, refused *atomic.Int32, handled *atomic.Int32) {
	refused, handled = &atomic.Int32{}, &atomic.Int32{}
	r = start(t, httpd.Options{
		Admit: func(h *fasthttp.RequestHeader) int {
			if len(h.Peek("Pass")) > 0 {
				return 0
			}
			return http.StatusUnauthorized
		},
		Refused: func(int) { refused.Add(1) },
		Handler: func(ctx context.Context, rc *fasthttp.RequestCtx) {
			handled.Add(1)
			hello(ctx, rc)
		},
	})
	return r, refused, handled
}

func TestRefusedByItsHeaderBeforeAByteOfTheBody(t *testing.T) {
	for _, more := range []string{"Content-Length: 5\r\n", "Content-Length: 5\r\nExpect: 100-continue\r\n", "Transfer-Encoding: chunked\r\n"} {
		r, refused, handled := admitted(t)
		c, from := r.dial(t)
		write(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+more+"\r\n")
		resp, body := answer(t, from)
		if resp.StatusCode != 401 || body != "" || refused.Load() != 1 || handled.Load() != 0 {
			t.Errorf("%q: %s %q, refused %d, handled %d", more, resp.Status, body, refused.Load(), handled.Load())
		}
		closed(t, from)
	}
}

func TestExpectedContinueIsGivenToWhoIsAdmitted(t *testing.T) {
	r, _, _ := admitted(t)
	c, from := r.dial(t)
	write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nPass: 1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if resp, _ := answer(t, from); resp.StatusCode != http.StatusContinue {
		t.Fatal(resp.Status)
	}
	write(t, c, "hello")
	if resp, body := answer(t, from); resp.StatusCode != 200 || body != "POST hello" {
		t.Errorf("%s %q", resp.Status, body)
	}
}
