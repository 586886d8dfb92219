package crowd_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"optgate/bench/load/crowd"
	"optgate/bench/load/mix"
)

// server serves each connection inside the process, by the bubble's clock.
type server struct {
	serve func(n int, conn net.Conn) // the nth connection, from 1; it is closed afterwards
	n     atomic.Int64
	ends  sync.WaitGroup
}

func (s *server) dial(context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	n := int(s.n.Add(1))
	s.ends.Go(func() {
		defer there.Close()
		s.serve(n, there)
	})
	return here, nil
}

// beside lets a crowd stand for a while.
func beside(t *testing.T, s *server, o crowd.Options, stands time.Duration) (all []crowd.Group) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Dial, o.Mix = s.dial, mix.Options{Host: "gate", Path: "/webhooks/meta", Secret: "s", Now: time.Unix(1_794_300_000, 0)}
		c, err := crowd.Gather(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(stands)
		all = c.Disperse()
		if again := c.Disperse(); len(again) != len(all) {
			t.Errorf("the second time %v", again)
		}
		s.ends.Wait()
	})
	return all
}

func TestTheIdleSayNothingAndStay(t *testing.T) {
	var heard atomic.Int64
	s := server{serve: func(_ int, conn net.Conn) {
		n, _ := io.Copy(io.Discard, conn)
		heard.Add(n)
	}}
	all := beside(t, &s, crowd.Options{Idle: 50}, time.Hour)
	if len(all) != 1 || all[0].Stood != 50 || all[0].Closed != 0 || all[0].Refused != 0 || heard.Load() != 0 || s.n.Load() != 50 {
		t.Errorf("%v; %d bytes, %d connections", all, heard.Load(), s.n.Load())
	}
}

func TestWhoIsHungUpOnComesBackASecondLater(t *testing.T) {
	s := server{serve: func(n int, conn net.Conn) {
		switch n {
		case 1: // refused by a word
			_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		case 2: // ended after a minute
			time.Sleep(time.Minute)
		default:
			_, _ = io.Copy(io.Discard, conn)
		}
	}}
	all := beside(t, &s, crowd.Options{Idle: 2}, time.Hour)
	if g := all[0]; g.Stood != 2 || g.Closed != 2 || g.Refused != 1 || g.Answers[503] != 1 || s.n.Load() != 4 {
		t.Errorf("%v, %d connections", all, s.n.Load())
	}
	s = server{serve: func(int, net.Conn) {}} // all are hung up on at once
	all = beside(t, &s, crowd.Options{Drip: 1}, 10*time.Second+time.Millisecond)
	if g := all[0]; g.Closed < 10 || g.Closed > 11 {
		t.Errorf("%v: not gently", all)
	}
}

func TestDripsAreHalfOfARequestAndAByteASecond(t *testing.T) {
	var mu sync.Mutex
	var said []string
	s := server{serve: func(_ int, conn net.Conn) {
		text, _ := io.ReadAll(conn)
		mu.Lock()
		defer mu.Unlock()
		said = append(said, string(text))
	}}
	all := beside(t, &s, crowd.Options{Drip: 20}, 30*time.Second)
	heads, bodies := 0, 0
	for _, text := range said {
		head, body, whole := strings.Cut(text, "\r\n\r\n")
		if whole && strings.Contains(head, "X-Hub-Signature-256: sha256=") && len(body) >= 29 && len(body) <= 31 {
			bodies++
		}
		if !whole && strings.HasPrefix(text, "POST /webhooks/meta") && strings.HasSuffix(text, "x") {
			heads++
		}
	}
	if heads != 10 || bodies != 10 || all[0].Stood != 20 {
		t.Errorf("%d heads, %d bodies: %v, %q", heads, bodies, all, said)
	}
}

// answers serves webhooks, each after a moment.
func answers(t *testing.T, answer func(n int) string) (s *server, sizes chan int) {
	sizes, asked := make(chan int, 1000), atomic.Int64{}
	return &server{serve: func(_ int, conn net.Conn) {
		in := bufio.NewReader(conn)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			sizes <- len(body)
			time.Sleep(100 * time.Millisecond)
			said := answer(int(asked.Add(1)))
			if _, err := io.WriteString(conn, said); err != nil || said == "" {
				return
			}
		}
	}}, sizes
}

const (
	ok   = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"
)

func TestSendersSendOneWebhookAfterTheOther(t *testing.T) {
	s, sizes := answers(t, func(int) string { return ok })
	all := beside(t, s, crowd.Options{Large: 1, Batch: 1}, 950*time.Millisecond)
	large, batch := all[0], all[1]
	if large.Kept.Webhooks != 10 || large.Kept.Items != 10 || batch.Kept.Items != 10_000 || large.Unsure+batch.Unsure > 0 || large.Stood != 1 {
		t.Errorf("%v", all)
	}
	most := 0
	for range 20 {
		most = max(most, <-sizes)
	}
	if most != 3<<20 || len(sizes) > 0 {
		t.Errorf("%d bytes at most, %d more", most, len(sizes))
	}
}

func TestSendersThatAreNotKeptWaitASecond(t *testing.T) {
	s, _ := answers(t, func(n int) string {
		switch n {
		case 1:
			return busy
		case 2:
			return ""
		}
		return ok
	})
	all := beside(t, s, crowd.Options{Batch: 1}, 2750*time.Millisecond) // a second of them after each of the two
	if g := all[0]; g.Refused != 1 || g.Unsure != 1 || g.Closed != 1 || g.Kept.Webhooks < 5 || g.Kept.Webhooks > 7 {
		t.Errorf("%v", g)
	}
}

// Who refuses by the header does not read the body.
func TestARefusalIsHeardWhileSpeaking(t *testing.T) {
	s := server{serve: func(_ int, conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
	}}
	all := beside(t, &s, crowd.Options{Large: 1}, 500*time.Millisecond)
	if g := all[0]; g.Answers[413] != 1 || g.Unsure != 0 {
		t.Errorf("%v", g)
	}
}

func TestNobodyGathersWhereNobodyListens(t *testing.T) {
	refuse := func(context.Context) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
	if _, err := crowd.Gather(t.Context(), crowd.Options{Dial: refuse, Idle: 1}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	if err := crowd.Files(10); err != nil {
		t.Error(err)
	}
	if err := crowd.Files(1 << 40); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Error(err)
	}
}
