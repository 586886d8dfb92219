package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"optgate/bench/load/offer"
)

func TestTheMiddleIsTheMiddle(t *testing.T) {
	values := []float64{9, 1, 5, 3}
	if median(values) != 4 || median(values[:3]) != 5 || median(nil) != 0 || values[0] != 9 {
		t.Errorf("medians %v, %v", median(values), median(values[:3]))
	}
	if percentile(values, 50) != 3 || percentile(values, 99) != 9 || percentile(values, 0) != 1 || percentile(nil, 50) != 0 {
		t.Errorf("p50 %v, p99 %v", percentile(values, 50), percentile(values, 99))
	}
	if grouped(1234567.6) != "1,234,568" || grouped(999) != "999" || grouped(1000) != "1,000" {
		t.Error(grouped(1234567.6), grouped(999), grouped(1000))
	}
}

func TestMetricsAreAddedUp(t *testing.T) {
	text := []byte("# HELP x y\noptgate_items_total{kind=\"message\"} 12\noptgate_items_total{kind=\"receipt\"} 1e+06\noptgate_other_total{kind=\"message\"} 5\n" +
		"optgate_optouts_total{list=\"default\",source=\"message\"} 3\noptgate_optouts_total{list=\"default\",source=\"api\"} 4\n")
	if n := sum(text, "optgate_items_total{", ""); n != 1_000_012 {
		t.Error(n)
	}
	if n := sum(text, "optgate_optouts_total{", `source="message"`); n != 3 {
		t.Error(n)
	}
}

func TestOnlyACertainRefusalIsAnOptOutInForce(t *testing.T) {
	for _, c := range []struct {
		text    string
		status  int
		refused bool
		fails   bool
	}{
		{`{"allowed":false,"error":"Optout Number"}`, 200, true, false},
		{`{"allowed":true}`, 200, false, false},
		{`{"code":"not_certain"}`, 503, false, false},
		{`{"code":"unauthorized"}`, 401, false, true},
		{``, 200, false, true},
	} {
		refused, err := refuses([]byte(c.text), c.status)
		if refused != c.refused || (err != nil) != c.fails {
			t.Errorf("%d %s: %v, %v", c.status, c.text, refused, err)
		}
	}
}

// example gives results of two rounds in which the gateway keeps half of what bare answers, first on a fast and then on a slow machine.
func example() *results {
	r := &results{Machine: "2 cores, <fast>", Date: time.Unix(1_794_300_000, 0).UTC(), Commit: "abc", Settings: settings{Rounds: 2, Seconds: 1},
		Missing: map[string]string{"express-kafkajs": "no Node's packages"}, Versions: map[string]string{"Go": "1.26"}}
	for round, fast := range []float64{100_000, 40_000} {
		for name, share := range map[string]float64{bare: 1, "optgate": 0.5, "nethttp-franz": 0.25} {
			for _, l := range everything {
				kept := int(fast * share)
				r.Samples = append(r.Samples, Sample{Contestant: name, Round: round, Level: l, ServerCPU: 1,
					Report: &offer.Report{PerSecond: float64(kept), Kept: offer.Kept{Webhooks: kept}, Latency: offer.Spread{P99: 1 / share}}})
			}
		}
	}
	return r
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	r := example()
	for i := range r.Samples { // a round that lacks one of the two says nothing
		if s := &r.Samples[i]; s.Round == 1 && s.Contestant == bare {
			s.Report.PerSecond = 0
		}
	}
	if share, ok := r.ratio("optgate", bare, once[0], perSecond); !ok || share != 0.5 {
		t.Errorf("%v, %v", share, ok)
	}
	if _, ok := r.ratio("fastify-platformatic", bare, once[0], perSecond); ok {
		t.Error("a ratio of nothing")
	}
}

func TestTablesShowWhatWasMeasured(t *testing.T) {
	text := example().markdown()
	for _, line := range []string{
		"| **Optgate**, ingress | 35,000 (0.50) | 35,000 (0.50) | 35,000 (0.50) | 35.0 (2.0) |  |",
		"| net/http, encoding/json, franz-go | 17,500 (0.25) | 17,500 (0.25) | 17,500 (0.25) | 70.0 (4.0) | 2.0 times as fast |",
		"| **Optgate**, ingress | 0.00 | 2.00 | 0.00 | 0.00 | 2.00 | 0.00 |",
		"- not measured: express-kafkajs (no Node's packages)",
		"0 of 30 samples were dropped",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	if strings.Contains(text, "fastify") {
		t.Error("who was not measured has a row")
	}
}

func TestTheChartIsWellFormed(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(example().chart()))
	bars := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 1+3+3 {
		t.Errorf("%d rectangles", bars)
	}
}

func TestReadmeTakesTheFiguresBetweenItsMarks(t *testing.T) {
	r := example()
	before := "# A\n" + figuresBegin + "old\n" + figuresEnd + "rest\n"
	after, err := r.intoReadme(before)
	if err != nil || !strings.HasPrefix(after, "# A\n"+figuresBegin) || !strings.HasSuffix(after, figuresEnd+"rest\n") || strings.Contains(after, "old") {
		t.Errorf("%v: %s", err, after)
	}
	if again, err := r.intoReadme(after); err != nil || again != after {
		t.Errorf("%v: the second time it differs", err)
	}
	if _, err := r.intoReadme("# A\n"); err == nil {
		t.Error("no error without the marks")
	}
}

// What README shows is what was measured last.
func TestDocsShowTheLastResults(t *testing.T) {
	root := filepath.Join("..", "..")
	r, err := read(filepath.Join(root, "bench", "results", "latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	for file, render := range map[string]func(string) (string, error){
		"README.md":                func(text string) (string, error) { return r.intoReadme(text) },
		"bench/results/latest.md":  func(string) (string, error) { return r.markdown(), nil },
		"bench/results/latest.svg": func(string) (string, error) { return r.chart(), nil },
	} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		want, err := render(string(text))
		if err != nil || want != string(text) {
			t.Errorf("%s is not of latest.json (%v): run go run ./bench/compare -render", file, err)
		}
	}
}

func TestWrongUsageIsRefused(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-seconds", "0.01"}, {"-only", "nobody"}, {"more"}, {"-nonsense"}} {
		var out, errs bytes.Buffer
		if err := run(context.Background(), args, &out, &errs); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
	if math.IsNaN((&Sample{Report: &offer.Report{}}).ServerMicros()) {
		t.Error("nothing kept costs nothing that can be told")
	}
}

func TestTheLeastDisturbedCounts(t *testing.T) {
	for _, c := range []struct {
		foreign []float64 // of each try
		want    Noise
	}{
		{[]float64{0.01}, Noise{Foreign: 0.01}},
		{[]float64{0.2, 0.05}, Noise{Foreign: 0.05, Dropped: 1}},
		{[]float64{0.2, 0.1, 0.3}, Noise{Foreign: 0.1, Dropped: 2, Disturbed: true}},
	} {
		n := 0
		best, err := leastDisturbed(settings{Tries: 3, Foreign: 0.05}, func() (*Sample, error) {
			n++
			return &Sample{Noise: Noise{Foreign: c.foreign[n-1]}}, nil
		})
		if err != nil || best.Noise != c.want || n != len(c.foreign) {
			t.Errorf("%v: %+v after %d, %v", c.foreign, best.Noise, n, err)
		}
	}
}
