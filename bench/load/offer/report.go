package offer

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what came of an offer. But for All, warm-up is not in it.
type Report struct {
	Connections int            `json:"connections"`
	Rate        float64        `json:"rate"`       // asked for; 0: as fast as answers came
	Seconds     float64        `json:"seconds"`    // counted
	Answers     map[int]int    `json:"answers"`    // by status
	Errors      map[string]int `json:"errors"`     // webhooks without answer, by kind
	PerSecond   float64        `json:"per_second"` // answers 200
	Kept        Kept           `json:"kept"`
	All         Kept           `json:"all"`     // warm-up included: what the server must have kept
	Sent        int            `json:"sent"`    // warm-up included
	Latency     Spread         `json:"latency"` // until the answer, or until it was given up
	Late        Spread         `json:"late"`    // of the generator itself: how late it sent what had a free connection
	CPU         float64        `json:"cpu"`     // seconds of processor time that the generator took
}

// Kept counts webhooks that were answered 200, and what was in them.
type Kept struct {
	Webhooks int `json:"webhooks"`
	Items    int `json:"items"`
	Stops    int `json:"stops"`
}

func (k *Kept) add(items, stops int) { *k = k.Plus(Kept{1, items, stops}) }

// Plus adds up.
func (k Kept) Plus(o Kept) Kept {
	return Kept{k.Webhooks + o.Webhooks, k.Items + o.Items, k.Stops + o.Stops}
}

// Spread is how something was distributed, in milliseconds.
type Spread struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean"`
}

func spread(h *hdrhistogram.Histogram) Spread {
	at := func(percent float64) float64 { return float64(h.ValueAtPercentile(percent)) / 1000 }
	return Spread{at(50), at(90), at(99), at(99.9), float64(h.Max()) / 1000, h.Mean() / 1000}
}

// report sums up.
func (r *run) report(cost time.Duration) *Report {
	o := &Report{
		Connections: r.Connections, Rate: r.Rate, Seconds: r.Time.Seconds(), Answers: map[int]int{}, Errors: map[string]int{},
		CPU: cost.Seconds(), Sent: int(r.number.Load()),
	}
	latencies := newHistogram()
	for _, p := range r.tally.parts {
		latencies.Merge(p.latencies.Histogram)
		for status, n := range p.answers {
			o.Answers[status] += n
		}
		for why, n := range p.errors {
			o.Errors[string(why)] += n
		}
		o.All, o.Kept = o.All.Plus(p.all), o.Kept.Plus(p.counted)
	}
	o.PerSecond = float64(o.Kept.Webhooks) / o.Seconds
	o.Latency, o.Late = spread(latencies.Histogram), spread(r.tally.late.Histogram)
	return o
}

// Write tells it to people.
func (o *Report) Write(to io.Writer) error {
	asked := "as fast as answers came"
	if o.Rate > 0 {
		asked = fmt.Sprintf("%.0f/s", o.Rate)
	}
	text := fmt.Sprintf("%d connections, %s, %.1f s\n", o.Connections, asked, o.Seconds)
	text += fmt.Sprintf("kept      %.0f/s: %d webhooks, %d items in them, %d of these stop words\n",
		o.PerSecond, o.Kept.Webhooks, o.Kept.Items, o.Kept.Stops)
	text += "answers   " + list(o.Answers) + "\nerrors    " + list(o.Errors) + "\n"
	text += "latency   " + o.Latency.String() + "\n"
	if o.Rate > 0 {
		text += "late      " + o.Late.String() + " (the generator's own fault, in the latency)\n"
	}
	text += fmt.Sprintf("generator %.2f of a processor", o.CPU/o.Seconds)
	if o.Kept.Webhooks > 0 {
		text += fmt.Sprintf(", %.1f µs a webhook", o.CPU*1e6/float64(o.Kept.Webhooks))
	}
	_, err := io.WriteString(to, text+"\n")
	return err
}

// String gives it in one line.
func (s Spread) String() string {
	return fmt.Sprintf("p50 %.2f ms, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f", s.P50, s.P90, s.P99, s.P999, s.Max)
}

func list[K interface{ ~int | ~string }](counts map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%v: %d", k, counts[k]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
