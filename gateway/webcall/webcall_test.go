package webcall

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// home lets calls go to this machine.
func home(t *testing.T, more ...func(*Options)) *Caller {
	t.Helper()
	o := Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, change := range more {
		change(&o)
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// raw serves whatever it likes on each connection.
func raw(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					talk(conn)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestACallBringsBodyHeadersAndAnswer(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL, r.Header.Get("Webhook-Id"), r.Header.Get("User-Agent"), body)
	})
	a, err := home(t).Call(t.Context(), Request{URL: url + "/a?b=c#d", Header: http.Header{"Webhook-Id": {"x"}}, Body: []byte("hi")})
	if err != nil || a.Status != http.StatusTeapot || a.Header.Get("Retry-After") != "7" || string(a.Body) != "POST /a?b=c x Optgate-Webhook/1 hi" || a.Cut {
		t.Errorf("%+v %q, %v", a, a.Body, err)
	}
}

func TestWhateverAReceiverDoesIsBounded(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	drip := func(conn net.Conn, first, again string) {
		if _, err := io.WriteString(conn, first); err != nil {
			return
		}
		for {
			select {
			case <-hang:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if _, err := io.WriteString(conn, again); err != nil {
				return
			}
		}
	}
	secret := "secret-in-the-query"
	for name, c := range map[string]struct {
		talk   func(net.Conn)
		code   string
		status int
	}{
		"hangs":                   {func(net.Conn) { <-hang }, "timeout", 0},
		"drips its status":        {func(c net.Conn) { drip(c, "HTTP/1.1 2", "0") }, "", 0},
		"drips headers":           {func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\n", "X: y\r\n") }, "timeout", 0},
		"has headers without end": {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 1<<20)) }, "broken_answer", 0},
		"sends 100 without end":   {func(c net.Conn) { drip(c, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n") }, "", 0},
		"drips its body":          {func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\n\r\n", "z") }, "timeout", 200},
		"closes at once":          {func(net.Conn) {}, "broken_answer", 0},
		"closes in its body":      {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc") }, "broken_answer", 200},
		"speaks no HTTP":          {func(c net.Conn) { _, _ = io.WriteString(c, "-ERR unknown command\r\n") }, "broken_answer", 0},
		"announces nonsense":      {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n") }, "broken_answer", 0},
		"redirects to this machine": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
		}, "", 307},
		"redirects where none can be": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 Go\r\nLocation: ::::\r\nContent-Length: 0\r\n\r\n")
		}, "", 302},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			a, err := home(t).Call(t.Context(), Request{URL: raw(t, c.talk) + "/?" + secret, Timeout: 300 * time.Millisecond})
			if time.Since(began) > 5*time.Second {
				t.Errorf("took %v", time.Since(began))
			}
			if c.status == 0 && err == nil || code(err) != c.code && (c.code != "" || c.status != 0) || a.Status != c.status {
				t.Errorf("%d %q, %v", a.Status, code(err), err)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("tells its query: %v", err)
			}
		})
	}
}

func TestAGigabyteIsCut(t *testing.T) {
	var sent atomic.Int64
	ended := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		block := make([]byte, 1<<20)
		for range 1024 {
			n, err := w.Write(block)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	a, err := home(t).Call(t.Context(), Request{URL: url})
	if err != nil || len(a.Body) != MaxAnswer || !a.Cut || a.Status != http.StatusOK {
		t.Errorf("%d bytes, cut %v, %v", len(a.Body), a.Cut, err)
	}
	<-ended // the connection was closed under it
	if sent.Load() > 64<<20 {
		t.Errorf("took %d bytes", sent.Load())
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var reached atomic.Int64
	inside := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	outside := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside, http.StatusPermanentRedirect)
	})
	a, err := home(t).Call(t.Context(), Request{URL: outside})
	if err != nil || a.Status != http.StatusPermanentRedirect || reached.Load() != 0 {
		t.Errorf("%d, %v, reached %d times", a.Status, err, reached.Load())
	}
}

func TestANameIsResolvedOnceAndDialledByThatAddress(t *testing.T) {
	var reached atomic.Int64
	target := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(target, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	rebinding := names{"rebind.example": {{"93.184.215.14"}, {"127.0.0.1"}}}
	c := New(Options{Resolver: rebinding})
	defer c.Close()
	if err := c.Check(t.Context(), "http://rebind.example/"); err != nil {
		t.Fatalf("it was public when it was saved: %v", err)
	}
	if _, err := c.Call(t.Context(), Request{URL: "http://rebind.example:" + port + "/"}); code(err) != "forbidden_address" || reached.Load() != 0 {
		t.Errorf("%v, reached %d times", err, reached.Load())
	}
	allowed := home(t, func(o *Options) { o.Resolver = names{"two.example": {{"127.0.0.1"}, {"192.168.0.1"}}} })
	if _, err := allowed.Call(t.Context(), Request{URL: "http://two.example:" + port + "/"}); err != nil || reached.Load() != 1 {
		t.Errorf("%v: looked again between looking and dialling", err)
	}
}

func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	var reached atomic.Int64
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("http_proxy", proxy)
	c := New(Options{Resolver: names{"example.com": {{"127.0.0.1"}}}})
	defer c.Close()
	if _, err := c.Call(t.Context(), Request{URL: "http://example.com/"}); code(err) != "forbidden_address" || reached.Load() != 0 {
		t.Errorf("%v, the proxy was asked %d times", err, reached.Load())
	}
}

func TestACertificateIsVerifiedForItsHost(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of whoever doesn't trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	trusting := home(t, func(o *Options) {
		o.Roots = roots
		o.Resolver = names{"example.com": {{"127.0.0.1"}}, "other.test": {{"127.0.0.1"}}}
	})
	for target, want := range map[string]string{s.URL: "", "https://example.com:" + port: "", "https://other.test:" + port: "tls"} {
		if _, err := trusting.Call(t.Context(), Request{URL: target}); code(err) != want {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := home(t).Call(t.Context(), Request{URL: s.URL}); code(err) != "tls" {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := home(t).Call(t.Context(), Request{URL: "https" + strings.TrimPrefix(plain, "http")}); code(err) != "tls" {
		t.Errorf("no TLS at all: %v", err)
	}
}

func TestWhoCantBeReachedIsNamedSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = home(t).Call(t.Context(), Request{URL: target})
	if code(err) != "unreachable" {
		t.Error(err)
	}
	if errors.Unwrap(err) != nil && strings.Contains(errors.Unwrap(err).Error(), "http://") {
		t.Errorf("tells the URL: %v", err)
	}
}

func TestAHostThatIsntFoundIsNamedSoWhenItIsCalled(t *testing.T) {
	c := New(Options{Resolver: names{}})
	defer c.Close()
	if _, err := c.Call(t.Context(), Request{URL: "http://nobody.example/"}); code(err) != "unknown_host" {
		t.Error(err)
	}
}
