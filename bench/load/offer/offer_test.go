package offer_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"optgate/bench/load/mix"
	"optgate/bench/load/offer"
)

// server answers requests on connections inside the process, by the bubble's clock.
type server struct {
	answer func(asked int) string // after the asked-th request of all (from 1); "" closes the connection
	asked  atomic.Int64
	began  time.Time // of the first connection
	serves sync.WaitGroup
}

func (s *server) dial(context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	if s.began.IsZero() {
		s.began = time.Now()
	}
	s.serves.Go(func() {
		defer there.Close()
		in := bufio.NewReader(there)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			text := s.answer(int(s.asked.Add(1)))
			if text == "" {
				return
			}
			if _, err := io.WriteString(there, text); err != nil {
				return
			}
		}
	})
	return here, nil
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

func texts(t *testing.T) *mix.Mix {
	t.Helper()
	m, err := mix.New(mix.Options{Kinds: "text=9,stop=1", Host: "gate", Path: "/", Secret: "s", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run offers inside a bubble, where time passes only while everybody waits.
func run(t *testing.T, s *server, o offer.Options) (report *offer.Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Mix, o.Sleep = texts(t), time.Sleep
		var err error
		if report, err = offer.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		s.serves.Wait()
	})
	return report
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > want/100 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestARateIsKeptWhateverTheServerTakes(t *testing.T) {
	s := server{answer: func(int) string { time.Sleep(30 * time.Millisecond); return ok }}
	o := run(t, &s, offer.Options{Dial: s.dial, Connections: 100, Rate: 1000, Warmup: time.Second, Time: 2 * time.Second, Timeout: time.Minute})
	if o.Kept != (offer.Kept{Webhooks: 2000, Items: 2000, Stops: 200}) || o.All.Webhooks != 3000 || s.asked.Load() != 3000 {
		t.Errorf("%+v, %+v of %d", o.Kept, o.All, s.asked.Load())
	}
	if o.PerSecond != 1000 || o.Answers[200] != 2000 || len(o.Errors) != 0 {
		t.Errorf("%v/s, %v, %v", o.PerSecond, o.Answers, o.Errors)
	}
	near(t, "p50", o.Latency.P50, 30)
	near(t, "longest", o.Latency.Max, 30)
}

// A server that stands still for half a second out of two keeps everybody waiting who calls meanwhile: a quarter of all wait
// up to half a second, so that p90 is 300 ms and p99 480 ms. Who only counts from the moment of sending sees two slow answers.
func TestAStallIsChargedToAllWhoWouldHaveCalled(t *testing.T) {
	s := server{}
	s.answer = func(int) string {
		if since := time.Since(s.began); since >= time.Second && since < 1500*time.Millisecond {
			time.Sleep(1500*time.Millisecond - since)
		}
		return ok
	}
	o := run(t, &s, offer.Options{Dial: s.dial, Connections: 2, Rate: 1000, Time: 2 * time.Second, Timeout: time.Minute})
	if o.Kept.Webhooks != 2000 {
		t.Errorf("%d webhooks", o.Kept.Webhooks)
	}
	near(t, "p90", o.Latency.P90, 300)
	near(t, "p99", o.Latency.P99, 480)
	near(t, "longest", o.Latency.Max, 500)
	if o.Latency.P50 > 1 || o.Late.Max > 1 {
		t.Errorf("p50 %v; late %v", o.Latency.P50, o.Late)
	}
}

func TestWithoutARateEachConnectionSendsTheNextOneWhenAnswered(t *testing.T) {
	s := server{answer: func(int) string { time.Sleep(10 * time.Millisecond); return ok }}
	o := run(t, &s, offer.Options{Dial: s.dial, Connections: 4, Warmup: time.Second, Time: 5 * time.Second, Timeout: time.Minute})
	near(t, "a second", o.PerSecond, 400)
	near(t, "p99", o.Latency.P99, 10)
	if o.All.Webhooks != int(s.asked.Load()) {
		t.Errorf("%d of %d answers", o.All.Webhooks, s.asked.Load())
	}
}

func TestErrorsAreToldByKind(t *testing.T) {
	const busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\ncontent-length: 0\r\nConnection: close\r\n\r\n"
	s := server{answer: func(asked int) string {
		switch asked % 10 {
		case 1, 2:
			return busy
		case 3:
			return ""
		case 4:
			return "HTTP/1.0 200 OK\r\n\r\n"
		case 5:
			time.Sleep(3 * time.Second)
		}
		return ok
	}}
	o := run(t, &s, offer.Options{Dial: s.dial, Connections: 50, Rate: 10, Time: 10 * time.Second, Timeout: time.Second})
	if o.Answers[503] != 20 || o.Answers[200] != 50 || o.Errors["closed"] != 10 || o.Errors["timeout"] != 10 || o.Errors["garbled"] != 10 {
		t.Errorf("%v, %v", o.Answers, o.Errors)
	}
	if o.Latency.Max < 1000 {
		t.Errorf("who was given up waited for %v ms", o.Latency.Max)
	}
}

func TestNobodyListens(t *testing.T) {
	s := server{answer: func(int) string { return "" }}
	dials := 0
	dial := func(ctx context.Context) (net.Conn, error) {
		if dials++; dials > 2 {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return s.dial(ctx)
	}
	o := run(t, &s, offer.Options{Dial: dial, Connections: 2, Rate: 100, Time: time.Second, Timeout: 200 * time.Millisecond})
	if o.Errors["closed"] != 2 || o.Errors["refused"] < 10 || o.Errors["unsent"] < 10 || o.Kept.Webhooks != 0 {
		t.Errorf("%v", o.Errors)
	}
	if n := o.Errors["closed"] + o.Errors["refused"] + o.Errors["unsent"]; n != 100 {
		t.Errorf("%d of 100 are accounted for: %v", n, o.Errors)
	}
	refuse := func(context.Context) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
	_, err := offer.Run(t.Context(), offer.Options{Dial: refuse, Mix: texts(t), Connections: 1, Time: time.Second, Timeout: time.Second})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("from the start: %v", err)
	}
}

func TestAnOfferCanBeBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server{answer: func(int) string { return ok }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o := offer.Options{Dial: s.dial, Mix: texts(t), Connections: 3, Rate: 10, Time: time.Hour, Timeout: time.Second, Sleep: time.Sleep}
		if _, err := offer.Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
