package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"optgate/bench/host"
	"optgate/bench/load/crowd"
	"optgate/bench/load/offer"
)

// crowded gives results of two rounds in which 10,000 idle connections make p99 half as long again, whatever the round's p99 alone is.
func crowded() *results {
	r := &results{Settings: settings{Rounds: 2, Seconds: 1}, Apart: map[string]string{"drip": "too few files"}}
	for round, alone := range []float64{2, 20} {
		for by, times := range map[string]float64{"": 1, "idle": 1.5} {
			one := Sample{Contestant: "optgate", Round: round, Level: level{Connections: 64, Rate: 2000, Beside: by}, Held: 100,
				Report: &offer.Report{Answers: map[int]int{200: 9, 503: 2}, Errors: map[string]int{"reset": 1}, Latency: offer.Spread{P50: 1, P99: alone * times, P999: 50}}}
			if by == "idle" {
				one.Crowd = []crowd.Group{{Kind: "idle", Asked: 10_000, Stood: 9_000, Refused: 7, Kept: offer.Kept{Webhooks: 4}}}
			}
			r.Samples = append(r.Samples, one)
		}
	}
	return r
}

func TestWhatACrowdDoesToOthersIsShown(t *testing.T) {
	r := crowded()
	text := r.markdown()
	for _, line := range []string{
		"| alone | 1.00 | 11.00 | 50.00 | 2.00, 20.00 |  | 0.00 | 6 | 100 |  |",
		"| 10,000 connections that say nothing | 1.00 | 16.50 | 50.00 | 3.00, 30.00 | 1.50 | 0.00 | 6 | 100 | 18,000 of 20,000 stood, 14 refused, 8 webhooks kept |",
		"Not measured: 2,000 requests that arrive a byte a second (too few files).",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	if short := r.short(); !strings.Contains(short, "within 11.0 ms. Beside 10,000 connections that say nothing: 1.5 times as long.") {
		t.Error(short)
	}
	if r := example(); r.crowdSection() != "" || r.crowdLine() != "" {
		t.Error("nobody was crowded, and it is shown")
	}
}

func TestACrowdIsThereWhileOthersAreMeasured(t *testing.T) {
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	one := &turn{
		standing: &standing{host: s.Listener.Addr().String(), server: &host.Process{PID: os.Getpid()}}, site: &site{},
		field: &field{settings: settings{Time: 100 * time.Millisecond, Tries: 1}, log: io.Discard, results: &results{}},
	}
	if err := one.crowd(t.Context(), company{name: "few", who: crowd.Options{Idle: 3, Batch: 1}}); err != nil {
		t.Fatal(err)
	}
	all := one.field.results.Samples
	if len(all) != 1 || all[0].Level != (level{64, 2000, "few"}) || all[0].Crowd[0].Stood != 3 || all[0].Held <= 0 {
		t.Fatalf("%+v", all)
	}
	kept := all[0].Crowd[1].Kept
	if all[0].others() != 0 || kept.Items == 0 || one.said != all[0].Report.All.Plus(kept) || one.unsure != 0 {
		t.Errorf("%d others; said %+v, of %+v and %+v; %d unsure", all[0].others(), one.said, all[0].Report.All, kept, one.unsure)
	}
	if n := opened.Load(); n != 64+4 {
		t.Errorf("%d connections", n)
	}
}
