package httpd_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
)

// webhook is a request as Meta sends it, with a body of n bytes.
func webhook(n int) string {
	return fmt.Sprintf("POST /webhooks/meta HTTP/1.1\r\nHost: gate.example.com\r\nAccept: */*\r\nUser-Agent: facebookexternalua\r\n"+
		"X-Hub-Signature: sha1=%040d\r\nX-Hub-Signature-256: sha256=%064d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		0, 0, n, strings.Repeat("x", n))
}

// BenchmarkServer is what a request costs with its client, in CPU time of both, beside a bare fasthttp server that reads
// the same body. The difference is what limits, deadlines and the choice of whom to let in cost.
func BenchmarkServer(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		for name, serve := range map[string]func(testing.TB) string{"bare": bare, "httpd": ours} {
			b.Run(fmt.Sprintf("%d KiB/%s", size>>10, name), func(b *testing.B) { exchange(b, serve(b), webhook(size)) })
		}
	}
}

// exchange sends a request again and again on 16 connections.
func exchange(b *testing.B, address, request string) {
	bytes := []byte(request)
	if status := dialed(b, address).ask(b, bytes); status != 200 {
		b.Fatal(status)
	}
	b.ReportAllocs()
	b.SetParallelism(16 / 2)
	b.ResetTimer()
	began := cpu(b)
	b.RunParallel(func(pb *testing.PB) {
		c := dialed(b, address)
		for pb.Next() {
			c.ask(b, bytes)
		}
	})
	b.ReportMetric(float64(cpu(b)-began)/float64(b.N), "cpu-ns/op")
}

// asker is a client that costs little.
type asker struct {
	net.Conn
	answer []byte
}

func dialed(t testing.TB, address string) *asker {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &asker{c, make([]byte, 4<<10)}
}

// ask gives the status of an answer, which comes in one piece.
func (a *asker) ask(t testing.TB, request []byte) (status int) {
	if _, err := a.Write(request); err != nil {
		t.Error(err)
		return 0
	}
	n, err := a.Read(a.answer)
	if err != nil || n < 12 {
		t.Error(err)
		return 0
	}
	return int(a.answer[9]-'0')*100 + int(a.answer[10]-'0')*10 + int(a.answer[11]-'0')
}

// cpu is the CPU time of this process so far.
func cpu(t testing.TB) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func bare(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fasthttp.Server{
		Handler: func(rc *fasthttp.RequestCtx) {
			if len(rc.PostBody()) == 0 {
				rc.SetStatusCode(http.StatusBadRequest)
			}
		},
		NoDefaultServerHeader: true, NoDefaultContentType: true,
	}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

func ours(t testing.TB) string {
	var pool sync.Pool
	s, err := httpd.Listen(httpd.Options{
		Listen: "127.0.0.1:0", Log: zerolog.Nop(),
		Admit: func(h *fasthttp.RequestHeader) int {
			if len(h.Peek("X-Hub-Signature-256")) > 0 {
				return 0
			}
			return http.StatusUnauthorized
		},
		Handler: func(_ context.Context, rc *fasthttp.RequestCtx) {
			buf, _ := pool.Get().(*[]byte)
			if buf == nil {
				buf = new([]byte)
			}
			body, err := httpd.ReadBody(rc, 3<<20, (*buf)[:0], anyRoom)
			if err != nil || len(body) == 0 {
				rc.SetStatusCode(http.StatusBadRequest)
			}
			*buf = body
			pool.Put(buf)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s.Addr()
}
