package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
)

// log is what a server logged; it may be written while it is read.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// running is a server that runs until stop, or the test's end.
type running struct {
	*httpd.Server
	log  *log
	stop func() error // ends the server and waits until it has
}

func start(t *testing.T, o httpd.Options) running {
	t.Helper()
	r := running{log: &log{}}
	o.Listen, o.Log = "127.0.0.1:0", zerolog.New(r.log)
	s, err := httpd.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// dial opens a connection on which everything must happen within five seconds.
func (r running) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads one answer and its body.
func answer(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// closed says that the server has closed the connection and sent nothing more.
func closed(t *testing.T, r *bufio.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("the connection goes on: %q, %v", rest, err)
	}
}

// hello answers with the method and the body of at most ten bytes.
func hello(_ context.Context, rc *fasthttp.RequestCtx) {
	body, err := httpd.ReadBody(rc, 10, nil, anyRoom)
	if err != nil {
		rc.SetStatusCode(http.StatusRequestEntityTooLarge)
		return
	}
	rc.SetBodyString(string(rc.Method()) + " " + string(body))
}

func TestTakenPortNamesItsKey(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello})
	_, err := httpd.Listen(httpd.Options{Key: "public.listen", Listen: r.Addr(), Handler: hello})
	if err == nil || !strings.Contains(err.Error(), "public.listen") || !strings.Contains(err.Error(), r.Addr()) {
		t.Errorf("listening twice: %v", err)
	}
}

func TestCloseWithoutRunGivesTheAddressBack(t *testing.T) {
	s, err := httpd.Listen(httpd.Options{Listen: "127.0.0.1:0", Handler: hello})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	again, err := httpd.Listen(httpd.Options{Listen: s.Addr(), Handler: hello})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnswersTellNothingOfTheServer(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello})
	c, from := r.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, body := answer(t, from)
	if resp.StatusCode != 200 || body != "GET " || resp.Header.Get("Server") != "" {
		t.Errorf("%v %q %v", resp.Status, body, resp.Header)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello})
	c, from := r.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 9<<10)+"\r\n\r\n")
	if resp, _ := answer(t, from); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(resp.Status)
	}
	closed(t, from)
}

func TestSlowHeadersEnd(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello, Read: 100 * time.Millisecond})
	c, from := r.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost")
	if resp, _ := answer(t, from); resp.StatusCode != http.StatusRequestTimeout {
		t.Error(resp.Status)
	}
	closed(t, from)
}

func TestIdleConnectionsEnd(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello, Idle: 100 * time.Millisecond})
	c, from := r.dial(t)
	write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	answer(t, from)
	closed(t, from)
}

func TestPanicIsA500WithItsStackLogged(t *testing.T) {
	r := start(t, httpd.Options{Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
		rc.SetBodyString("half an ans")
		panic("text of +447700900001")
	}})
	for range 2 {
		resp, err := http.Get("http://" + r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 500 || len(body) > 0 {
			t.Errorf("%s %q", resp.Status, body)
		}
	}
	if logged := r.log.String(); !strings.Contains(logged, "TestPanicIsA500") || strings.Contains(logged, "4477") {
		t.Errorf("logged: %s", logged)
	}
}

func TestTooManyRequestsAreToldToComeBack(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, httpd.Options{Requests: 1, Handler: func(context.Context, *fasthttp.RequestCtx) {
		entered <- struct{}{}
		<-leave
	}})
	first, fromFirst := r.dial(t)
	write(t, first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	second, fromSecond := r.dial(t)
	write(t, second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, _ := answer(t, fromSecond)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	close(leave)
	if resp, _ := answer(t, fromFirst); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	write(t, second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	if resp, _ := answer(t, fromSecond); resp.StatusCode != 200 {
		t.Errorf("after the first had gone: %s", resp.Status)
	}
}

func TestTooManyConnectionsAreToldToComeBack(t *testing.T) {
	r := start(t, httpd.Options{Connections: 1, Handler: hello})
	first, from := r.dial(t)
	write(t, first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	answer(t, from)
	_, fromSecond := r.dial(t)
	resp, _ := answer(t, fromSecond)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	closed(t, fromSecond)
}
