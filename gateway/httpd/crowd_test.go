package httpd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
)

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// TestALongIdleConnectionMakesRoom fills the server with idle connections: who comes next is let in all the same, in place of
// whoever has been idle for longest, and a request in flight is left alone.
func TestALongIdleConnectionMakesRoom(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, httpd.Options{Connections: 3, Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
		if string(rc.Path()) == "/slow" {
			close(entered)
			<-leave
		}
	}})
	slow, fromSlow := r.dial(t)
	write(t, slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	_, fromSilent := r.dial(t)
	answered, fromAnswered := r.dial(t)
	write(t, answered, get)
	answer(t, fromAnswered)
	for _, evicted := range []*bufio.Reader{fromSilent, fromAnswered} {
		within(t, "a newcomer is let in", func() bool {
			c, from := r.dial(t)
			write(t, c, get)
			resp, _ := answer(t, from)
			return resp.StatusCode == http.StatusOK
		})
		closed(t, evicted)
	}
	close(leave)
	if resp, _ := answer(t, fromSlow); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// within asks again and again whether something is so.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(4 * time.Second); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// TestWhoDripsTakesNoOnesSlot sends half of a body on as many connections as requests may run.
func TestWhoDripsTakesNoOnesSlot(t *testing.T) {
	for name, half := range map[string]string{
		"of a known length": "Content-Length: 20000\r\n\r\n" + strings.Repeat("x", 10_000),
		"in chunks":         "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"not begun":         "Transfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			reading := make(chan struct{}, 10)
			r := start(t, httpd.Options{Requests: 2, Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
				if rc.IsPost() {
					reading <- struct{}{}
					_, _ = httpd.ReadBody(rc, 1<<20, nil, anyRoom)
				}
			}})
			for range 4 {
				c, _ := r.dial(t)
				write(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+half)
				<-reading
				within(t, "somebody else is answered", func() bool {
					c, from := r.dial(t)
					write(t, c, get)
					resp, _ := answer(t, from)
					return resp.StatusCode == 200
				})
			}
		})
	}
}

// TestABodyThatArrivesWhenTooManyRunIsToldToComeBack takes the only slot while a body is on its way.
func TestABodyThatArrivesWhenTooManyRunIsToldToComeBack(t *testing.T) {
	entered, leave, got := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	r := start(t, httpd.Options{Requests: 1, Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
		if rc.IsPost() {
			entered <- struct{}{}
			_, err := httpd.ReadBody(rc, 1<<20, nil, anyRoom)
			got <- err
			httpd.Busy(rc)
			return
		}
		entered <- struct{}{}
		<-leave
	}})
	dripping, fromDripping := r.dial(t)
	write(t, dripping, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	<-entered
	var fromRunning *bufio.Reader
	within(t, "the slot is free", func() bool {
		running, from := r.dial(t)
		fromRunning = from
		write(t, running, get)
		select {
		case <-entered:
			return true
		case <-time.After(200 * time.Millisecond):
			return false
		}
	})
	write(t, dripping, "0\r\n\r\n")
	if err := <-got; err == nil || !strings.Contains(err.Error(), "Too many requests") {
		t.Error(err)
	}
	if resp, _ := answer(t, fromDripping); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	close(leave)
	answer(t, fromRunning)
}

// TestWhoDripsMakesRoomForWhoDoesNot lets one connection hold all memory for bodies without ever ending its own.
func TestWhoDripsMakesRoomForWhoDoesNot(t *testing.T) {
	const room = 50_000
	held := make(chan int, 1)
	held <- 0
	r := start(t, httpd.Options{Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
		mine := 0
		_, err := httpd.ReadBody(rc, 1<<20, nil, func(n int) error {
			sum := <-held + n
			held <- sum
			if mine += n; sum > room {
				return errors.New("no room")
			}
			return nil
		})
		held <- <-held - mine
		if err != nil {
			httpd.Busy(rc)
		}
	}})
	dripping, fromDripping := r.dial(t)
	write(t, dripping, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", room, strings.Repeat("x", room-1)))
	refused := false
	within(t, "somebody else is answered", func() bool {
		c, from := r.dial(t)
		write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		resp, _ := answer(t, from)
		refused = refused || resp.StatusCode == 503
		return refused && resp.StatusCode == 200
	})
	if _, err := io.ReadAll(fromDripping); isTimeout(err) {
		t.Error("who drips is still connected")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestHealthIsToldWhileTooManyRequestsRun: whoever asks for it would kill a process that does not answer.
func TestHealthIsToldWhileTooManyRequestsRun(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, httpd.Options{Requests: 1, Vital: httpd.AsksHealth, Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
		if string(rc.Path()) == "/" {
			entered <- struct{}{}
			<-leave
		}
	}})
	first, fromFirst := r.dial(t)
	write(t, first, get)
	<-entered
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/other": 503} {
		c, from := r.dial(t)
		write(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, _ := answer(t, from); resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	close(leave)
	answer(t, fromFirst)
}

// TestWhoIsToldToComeBackStaysConnected: past capacity, nobody needs a connection anew for each try.
func TestWhoIsToldToComeBackStaysConnected(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var refused atomic.Int32
	count := func(int) { refused.Add(1) }
	r := start(t, httpd.Options{Requests: 1, Refused: count, Handler: func(ctx context.Context, rc *fasthttp.RequestCtx) {
		if rc.IsGet() {
			close(entered)
			<-leave
			return
		}
		hello(ctx, rc)
	}})
	first, fromFirst := r.dial(t)
	write(t, first, get)
	<-entered
	c, from := r.dial(t)
	post := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	for range 3 {
		write(t, c, post)
		if resp, _ := answer(t, from); resp.StatusCode != 503 || resp.Close {
			t.Fatalf("%s, close %v", resp.Status, resp.Close)
		}
	}
	if refused.Load() != 3 {
		t.Errorf("%d are counted", refused.Load())
	}
	close(leave)
	answer(t, fromFirst)
	within(t, "it is answered", func() bool {
		write(t, c, post)
		resp, body := answer(t, from)
		return resp.StatusCode == 200 && body == "POST hello"
	})
}

// TestAParkedConnectionGoesOn lets a connection rest for longer than fasthttp keeps buffers for it, again and again.
func TestAParkedConnectionGoesOn(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello, Park: 8 * time.Millisecond})
	c, from := r.dial(t)
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for n := range 10 {
		<-tick.C
		write(t, c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d", n))
		if _, body := answer(t, from); body != fmt.Sprintf("POST %d", n) {
			t.Fatalf("%d: %q", n, body)
		}
	}
}

// TestTooFewFilesAreToldOf wants more connections than any process may have.
func TestTooFewFilesAreToldOf(t *testing.T) {
	r := start(t, httpd.Options{Key: "public.listen", Connections: 1 << 30, Handler: hello})
	if said := r.log.String(); !strings.Contains(said, "LimitNOFILE") || !strings.Contains(said, "public.listen") {
		t.Errorf("logged: %s", said)
	}
	c, from := r.dial(t)
	write(t, c, get)
	if resp, _ := answer(t, from); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}
