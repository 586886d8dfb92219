package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"optgate/bench/host"
	"optgate/bench/load/crowd"
	"optgate/bench/load/mix"
)

// company is who calls beside the ordinary clients.
type company struct {
	name  string // in JSON; "" nobody
	title string
	who   crowd.Options
}

// companies begin with nobody, by whom the others are judged, and end with the one that takes longest to go.
func companies() []company {
	return []company{
		{title: "alone"},
		{"large", "2 connections with webhooks of 3 MiB", crowd.Options{Large: 2}},
		{"batch", "2 connections with webhooks of 1,000 items", crowd.Options{Batch: 2}},
		{"drip", "2,000 requests that arrive a byte a second", crowd.Options{Drip: 2000}},
		{"idle", "10,000 connections that say nothing", crowd.Options{Idle: 10_000}},
	}
}

// beside is the level of the ordinary clients beside a crowd.
func beside(c company) level { return level{Connections: 64, Rate: 2000, Beside: c.name} }

// crowds measures the ordinary clients alone and beside each crowd. A crowd that can't gather here is left out.
func (t *turn) crowds(ctx context.Context) error {
	for _, c := range companies() {
		if why := t.field.results.Apart[c.name]; why != "" {
			continue
		}
		if err := crowd.Files(beside(c).Connections + c.who.Connections()); err != nil {
			t.field.sayf("without %s: %v", c.title, err)
			t.field.results.Apart[c.name] = err.Error()
			continue
		}
		if err := t.crowd(ctx, c); err != nil {
			return fmt.Errorf("beside %s: %w", c.title, err)
		}
		if err := wait(ctx, time.Second); err != nil { // for those who leave
			return err
		}
	}
	return nil
}

// crowd measures the ordinary clients beside one.
func (t *turn) crowd(ctx context.Context, c company) error {
	c.who.Dial = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", t.host) }
	c.who.Mix = mix.Options{Host: t.host, Path: path, Secret: secret, First: t.field.first, Now: time.Now()}
	here, err := crowd.Gather(ctx, c.who)
	if err != nil {
		return err
	}
	defer here.Disperse()
	if err := t.sample(ctx, beside(c), false); err != nil {
		return err
	}
	one := &t.field.results.Samples[len(t.field.results.Samples)-1]
	if one.Held, _, err = host.MemoryOf(t.server.PID); err != nil {
		return err
	}
	one.Crowd = here.Disperse()
	for _, g := range one.Crowd {
		t.said = t.said.Plus(g.Kept)
		t.unsure += g.Unsure + g.Refused
		t.field.sayf("  %s", g)
	}
	return nil
}

// others counts webhooks that had another answer than 200, or none.
func (s *Sample) others() int {
	n := -s.Report.Answers[200]
	for _, of := range s.Report.Answers {
		n += of
	}
	for _, of := range s.Report.Errors {
		n += of
	}
	return n
}

// crowdSection shows what a crowd does to others; "" where none was measured.
func (r *results) crowdSection() string {
	text := ""
	for _, c := range contestants() {
		var rows []string
		for _, by := range companies() {
			if cells := r.crowdRow(c.name, by); cells != nil {
				rows = append(rows, "| "+strings.Join(cells, " | ")+" |\n")
			}
		}
		if len(rows) > 0 {
			text += "\n| " + c.title + " | p50, ms | p99 | p99.9 | p99 of each round | p99 by alone's | late | not 200 | MiB | the crowd |\n" +
				strings.Repeat("|---", 10) + "|\n" + strings.Join(rows, "")
		}
	}
	if text == "" {
		return ""
	}
	l := beside(company{})
	text = fmt.Sprintf("\n## Beside a crowd\n\n%s webhooks a second of the usual mixture over %d connections, alone and beside others; latencies and answers are those of these ordinary\n"+
		"clients alone, counted from when each was due. Not 200: theirs, all rounds together. MiB: held by the server's process at the end of a\n"+
		"sample, the crowd still there. Crowds come from the generator's process on the same cores: bare shows what the machine itself suffers.\n",
		grouped(l.Rate), l.Connections) + text
	for _, c := range companies() {
		if why := r.Apart[c.name]; why != "" {
			text += "\nNot measured: " + c.title + " (" + why + ").\n"
		}
	}
	return text
}

// crowdRow gives the cells of one crowd's row; nil where it was not measured.
func (r *results) crowdRow(name string, by company) []string {
	l := beside(by)
	rounds := r.of(name, l, p99)
	if len(rounds) == 0 {
		return nil
	}
	at := func(what func(*Sample) float64) string { return fmt.Sprintf("%.2f", median(r.of(name, l, what))) }
	cells := []string{
		by.title, at(func(s *Sample) float64 { return s.Report.Latency.P50 }), at(p99), at(func(s *Sample) float64 { return s.Report.Latency.P999 }),
		strings.Trim(strings.Join(strings.Fields(fmt.Sprintf("%.2f", rounds)), ", "), "[]"), "",
		at(func(s *Sample) float64 { return s.Report.Late.P99 }),
		grouped(sumOf(r.of(name, l, func(s *Sample) float64 { return float64(s.others()) }))),
		fmt.Sprintf("%.0f", median(r.of(name, l, func(s *Sample) float64 { return s.Held }))), r.crowdCell(name, l),
	}
	if ratio, ok := r.beside(name, by); ok {
		cells[5] = fmt.Sprintf("%.2f", ratio)
	}
	return cells
}

// beside gives the median, over the rounds, of p99 beside a crowd divided by p99 alone in that round.
func (r *results) beside(name string, by company) (float64, bool) {
	alone := map[int]float64{}
	var ratios []float64
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Contestant == name && s.Level == beside(company{}) {
			alone[s.Round] = p99(s)
		}
	}
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Contestant == name && s.Level == beside(by) && by.name != "" && alone[s.Round] > 0 {
			ratios = append(ratios, p99(s)/alone[s.Round])
		}
	}
	return median(ratios), len(ratios) > 0
}

// crowdCell says how the crowd itself fared, all rounds together.
func (r *results) crowdCell(name string, l level) string {
	all := crowd.Group{}
	for _, s := range r.Samples {
		if s.Contestant != name || s.Level != l {
			continue
		}
		for _, g := range s.Crowd {
			all.Asked, all.Stood, all.Closed, all.Refused = all.Asked+g.Asked, all.Stood+g.Stood, all.Closed+g.Closed, all.Refused+g.Refused
			all.Kept = all.Kept.Plus(g.Kept)
		}
	}
	if all.Asked == 0 {
		return ""
	}
	text := fmt.Sprintf("%s of %s stood, %s refused", grouped(float64(all.Stood)), grouped(float64(all.Asked)), grouped(float64(all.Refused)))
	if all.Kept.Webhooks > 0 {
		text += fmt.Sprintf(", %s webhooks kept", grouped(float64(all.Kept.Webhooks)))
	}
	return text
}

// crowdLine is what README says of it; "" where none was measured.
func (r *results) crowdLine() string {
	var parts []string
	for _, c := range slices.Backward(companies()) {
		if ratio, ok := r.beside("optgate", c); ok {
			parts = append(parts, fmt.Sprintf("%s: %.1f times", c.title, ratio))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	l := beside(company{})
	alone := r.of("optgate", l, p99)
	return fmt.Sprintf("Others beside a crowd: at %s/s, 99 of 100 ordinary webhooks are answered within %.1f ms. Beside %s as long.\n\n",
		grouped(l.Rate), median(alone), strings.Join(parts, "; beside "))
}

func sumOf(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}
