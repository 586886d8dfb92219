package httpd_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
)

func TestStopWaitsForRequestsInFlight(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, httpd.Options{Handler: func(ctx context.Context, rc *fasthttp.RequestCtx) {
		close(entered)
		<-leave
		if ctx.Err() != nil {
			rc.SetStatusCode(500)
		}
	}})
	c, from := r.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	refused(t, r)
	close(leave)
	if resp, _ := answer(t, from); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestStopDoesNotWaitForWhoSaysNothing(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello})
	_, silent := r.dial(t)
	c, from := r.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	answer(t, from) // by now the connection before it is accepted
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
	closed(t, silent)
	if strings.Contains(r.log.String(), "cut off") {
		t.Error(r.log)
	}
}

// refused waits until the server takes no more connections.
func refused(t *testing.T, r running) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := (&http.Client{Timeout: 50 * time.Millisecond}).Get("http://" + r.Addr())
		if err != nil && strings.Contains(err.Error(), "refused") {
			return
		}
		if err == nil {
			_ = resp.Body.Close()
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("still listening")
		}
	}
}

func TestStopCutsWhatOutlastsTheDrain(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{})
	r := start(t, httpd.Options{Drain: 50 * time.Millisecond, Handler: func(ctx context.Context, _ *fasthttp.RequestCtx) {
		close(entered)
		<-ctx.Done()
		close(ended)
	}})
	c, _ := r.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	<-ended
}

// streaming serves a stream that says "one" at once and then does what more does. done gets what it ended with.
func streaming(t *testing.T, more func(ctx context.Context, w *bufio.Writer) error) (r running, done chan error) {
	done = make(chan error, 1)
	r = start(t, httpd.Options{Write: time.Second, Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
		httpd.Stream(rc, func(ctx context.Context, w *bufio.Writer) error {
			if _, err := w.WriteString("one\n"); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
			return more(ctx, w)
		}, func(err error) { done <- err })
	}})
	return r, done
}

func open(t *testing.T, r running) (*http.Response, *bufio.Reader) {
	t.Helper()
	resp, err := http.Get("http://" + r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	from := bufio.NewReader(resp.Body)
	if line, err := from.ReadString('\n'); err != nil || line != "one\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return resp, from
}

func wait(ctx context.Context, _ *bufio.Writer) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestStreamIsSeenAsItIsFlushedAndEndsWhole(t *testing.T) {
	goOn := make(chan struct{})
	r, done := streaming(t, func(_ context.Context, w *bufio.Writer) error {
		<-goOn
		_, err := w.WriteString("two\n")
		return err
	})
	_, from := open(t, r)
	close(goOn)
	if rest, err := io.ReadAll(from); err != nil || string(rest) != "two\n" {
		t.Errorf("%q, %v", rest, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStreamEndsWithItsClient(t *testing.T) {
	r, done := streaming(t, wait)
	resp, _ := open(t, r)
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("a client that left is no error: %v", err)
	}
}

// TestStreamEndsWhereNobodyReads writes more than the kernel takes for a peer that reads nothing.
func TestStreamEndsWhereNobodyReads(t *testing.T) {
	done := make(chan error, 1)
	r := start(t, httpd.Options{Write: 100 * time.Millisecond, Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
		httpd.Stream(rc, func(ctx context.Context, w *bufio.Writer) error {
			for ctx.Err() == nil {
				if _, err := w.WriteString(strings.Repeat("x", 64<<10)); err != nil {
					return ctx.Err()
				}
			}
			return ctx.Err()
		}, func(err error) { done <- err })
	}})
	c, _ := r.dial(t)
	write(t, c, get)
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("a client that reads nothing is no error: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it is still being written")
	}
}

// Who has all there was gets a whole answer; an answer that could not be brought to its end must not look like one.
func TestWhenTheServerStopsAStreamEndsAsItSays(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(context.Context, *bufio.Writer) error
		want error
	}{
		"whole":  {func(ctx context.Context, w *bufio.Writer) error { _ = wait(ctx, w); return nil }, nil},
		"broken": {wait, io.ErrUnexpectedEOF},
	} {
		r, done := streaming(t, c.end)
		_, from := open(t, r)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if rest, err := io.ReadAll(from); !errors.Is(err, c.want) || len(rest) > 0 {
			t.Errorf("%s: %q, %v", name, rest, err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: the log hears of %v", name, err)
		}
	}
}

func TestStreamThatFailsIsSeenToBreakOff(t *testing.T) {
	for name, more := range map[string]func(context.Context, *bufio.Writer) error{
		"error": func(context.Context, *bufio.Writer) error { return errors.New("away") },
		"panic": func(context.Context, *bufio.Writer) error { panic("oops") },
	} {
		t.Run(name, func(t *testing.T) {
			r, done := streaming(t, more)
			_, from := open(t, r)
			if rest, err := io.ReadAll(from); err == nil {
				t.Errorf("looks whole: %q", rest)
			}
			if <-done == nil {
				t.Error("nobody is told")
			}
		})
	}
}
