package app_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"optgate/gateway/meta"
	"optgate/gateway/meta/fake"
)

// TestACrowdHarmsNobody holds 10,000 connections open, most of which say nothing, and some half of a request, more than
// requests may run: everybody else's webhooks are kept all the same, and the gateway stays small.
func TestACrowdHarmsNobody(t *testing.T) {
	w := newWorld(t, servers{}, nil)
	gateway := w.spawn()
	head := "POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=" + strings.Repeat("0", 64) + "\r\n"
	n := min(10_000, files(t)/2)
	w.crowd(n*5/10, "")
	w.crowd(n*5/100, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	w.crowd(n*5/100, head)
	w.crowd(n*20/100, head+"Content-Length: 3000000\r\n\r\n"+strings.Repeat("x", 9_000))
	w.crowd(n*20/100, head+"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	for i := range 50 {
		if status, _ := w.post(fake.Text(acme, person(8000+i), "hello", time.Now())); status != http.StatusOK {
			t.Fatalf("webhook %d is answered %d", i, status)
		}
	}
	gateway.staysUnder(t, 300<<20)
	w.says(person(8100), "STOP")
	w.barred(person(8100))
}

// crowd opens connections to the public listener, each of which says something and then keeps silent, until the test ends.
func (w *world) crowd(n int, words string) {
	w.t.Helper()
	for range n {
		conn, err := net.Dial("tcp", w.public)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, words); err != nil {
			w.t.Fatal(err)
		}
	}
}

// files is how many files a process may have open.
func files(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(limit.Cur, 1<<20))
}

// staysUnder fails where the gateway has ever had more memory.
func (c *child) staysUnder(t *testing.T, bytes int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	if _, err := fmt.Sscanf(peak, "%d kB", &kib); err != nil {
		t.Fatal(err)
	}
	t.Logf("the gateway had %d MiB at most", kib>>10)
	if kib<<10 > bytes*raceFactor {
		t.Errorf("the gateway has had %d MiB", kib>>10)
	}
}

// TestAFloodOfLargeWebhooks sends webhooks of 3 MiB and of 1,000 items, more than there is memory for: each is kept or told to
// come back, small ones are kept all the same, and afterwards all is as before.
func TestAFloodOfLargeWebhooks(t *testing.T) {
	w := newWorld(t, servers{}, nil)
	gateway := w.spawn()
	large := fake.Body(fake.Text(acme, person(8200), strings.Repeat("otter ", 3<<20/6-200), time.Now()))
	var thousand []fake.Event
	for i := range 1000 {
		thousand = append(thousand, fake.Text(acme, person(8300+i%100), "hello", time.Now()))
	}
	batch := fake.Body(thousand...)
	stop := make(chan struct{})
	var flood sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for i := range 48 {
		body := large
		if i%4 == 0 {
			body = batch
		}
		request := fmt.Appendf(nil, "POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s",
			meta.Sign([]byte(appSecret), body), len(body), body)
		flood.Go(func() {
			for {
				answer := pour(w.public, request)
				mu.Lock()
				answers[answer]++
				mu.Unlock()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i, deadline := 0, time.Now().Add(5*time.Second); time.Now().Before(deadline); i++ {
		if status, _ := w.post(fake.Text(acme, person(8500+i%100), "hello", time.Now())); status != http.StatusOK {
			t.Errorf("a small webhook is answered %d", status)
			break
		}
	}
	close(stop)
	flood.Wait()
	t.Logf("answers: %v", answers)
	for answer, n := range answers {
		if answer != "200" && answer != "503 1" && answer != "cut off" {
			t.Errorf("%d large webhooks are answered %q", n, answer)
		}
	}
	if answers["200"] == 0 {
		t.Error("no large webhook was kept")
	}
	gateway.staysUnder(t, 450<<20)
	w.says(person(8600), "STOP")
	w.barred(person(8600))
}

// pour sends a request on a connection of its own and gives the status and Retry-After of its answer. Who is refused before all
// is sent may miss the answer.
func pour(address string, request []byte) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	var sending sync.WaitGroup
	sending.Go(func() { io.Copy(conn, bytes.NewReader(request)) })
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "cut off"
	}
	response.Body.Close()
	conn.Close()
	sending.Wait()
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", response.Header.Get("Retry-After")))
}

// TestKafkaSilentUnderLoad lets Kafka take everything and answer nothing while 400 connections go on delivering: everybody is told
// to come back, /readyz says no, nothing piles up; and once Kafka answers again, webhooks are kept without a restart.
func TestKafkaSilentUnderLoad(t *testing.T) {
	together(t)
	w, line := newWorldOnACable(t)
	gateway := w.spawn()
	w.says(person(8700), "hello")
	before := w.goroutines()

	line.set(silent)
	const connections = 400
	var load sync.WaitGroup
	for range connections {
		load.Go(func() {
			many := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer many.CloseIdleConnections()
			for range 2 {
				body := fake.Body(fake.Text(acme, person(8701), "hello", time.Now()))
				request, err := http.NewRequest(http.MethodPost, "http://"+w.public+"/webhooks/meta", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("X-Hub-Signature-256", meta.Sign([]byte(appSecret), body))
				response, err := many.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
					t.Errorf("answered %d %v", response.StatusCode, response.Header)
				}
			}
		})
	}
	eventually(t, "it is not ready", func() bool { ready, _ := w.ready(); return !ready })
	if now := w.goroutines(); now > before+2*connections+100 {
		t.Errorf("%d goroutines, and %d before", now, before)
	}
	load.Wait()
	within(t, 20*time.Second, "the goroutines are gone with the connections", func() bool { return w.goroutines() < before+100 })
	gateway.staysUnder(t, 200<<20)

	line.set(whole)
	within(t, 10*time.Second, "webhooks are kept again", func() bool {
		status, _ := w.post(fake.Text(acme, person(8702), "STOP", time.Now()))
		return status == http.StatusOK
	})
	eventually(t, "it is ready again", func() bool { ready, _ := w.ready(); return ready })
	w.barred(person(8702))
}

// goroutines asks the gateway how many it runs.
func (w *world) goroutines() (n int) {
	w.t.Helper()
	_, text, _ := fetch(http.MethodGet, "http://"+w.private+"/metrics", "", nil)
	_, value, found := strings.Cut(string(text), "\ngo_goroutines ")
	if _, err := fmt.Sscan(value, &n); !found || err != nil {
		w.t.Fatalf("no go_goroutines: %v", err)
	}
	return n
}
