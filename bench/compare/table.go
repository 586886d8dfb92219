package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// write makes the files of results: JSON, table and chart, and for a whole run the section of README.
func (r *results) write(file string, readme bool) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		file + ".json": strings.ReplaceAll(string(text), `{"contestant"`, "\n"+`{"contestant"`) + "\n",
		file + ".md":   r.markdown(), file + ".svg": r.chart(),
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil { //nolint:gosec // for everybody to read
			return err
		}
	}
	if !readme {
		return nil
	}
	before, err := os.ReadFile("README.md")
	if err != nil {
		return err
	}
	after, err := r.intoReadme(string(before))
	if err != nil {
		return err
	}
	return os.WriteFile("README.md", []byte(after), 0o644) //nolint:gosec // for everybody to read
}

// Marks in README between which the figures stand.
const (
	figuresBegin = "<!-- figures: written by make bench -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

func (r *results) intoReadme(text string) (string, error) {
	before, rest, ok := strings.Cut(text, figuresBegin)
	_, after, also := strings.Cut(rest, figuresEnd)
	if !ok || !also {
		return "", fmt.Errorf("README.md lacks the lines %q and %q", strings.TrimSpace(figuresBegin), strings.TrimSpace(figuresEnd))
	}
	return before + figuresBegin + r.short() + figuresEnd + after, nil
}

// short is what README shows.
func (r *results) short() string {
	text := "\n![Webhooks kept a second, and how long the slowest of a hundred waits](bench/results/latest.svg)\n\n" + r.throughputTable() + "\n" + r.crowdLine()
	return text + fmt.Sprintf("%s, generator and Kafka on the same; %s; medians of %d rounds, each contestant in each round; commit %s.\n"+
		"%sLatencies, memory, versions and the command: [bench/results/latest.md](bench/results/latest.md). `make bench` measures it on your machine.\n\n",
		r.Machine, r.Date.Format("2 January 2006"), r.Settings.Rounds, r.Commit, r.warning())
}

// warning says how far the figures can be trusted.
func (r *results) warning() string {
	all, dropped, disturbed := len(r.Samples)+len(r.Effects), 0, 0
	count := func(d int, is bool) {
		dropped += d
		if is {
			disturbed++
		}
	}
	for _, s := range r.Samples {
		count(s.Dropped, s.Disturbed)
	}
	for _, e := range r.Effects {
		count(e.Dropped, e.Disturbed)
	}
	if disturbed > 0 {
		return fmt.Sprintf("**The machine was not quiet:** %d of %d samples count although others took more than %.0f %% of the processors; %d were dropped.\n",
			disturbed, all, r.Settings.Foreign*100, dropped)
	}
	return fmt.Sprintf("%d of %d samples were dropped because others took more than %.0f %% of the processors.\n",
		dropped, all+dropped, r.Settings.Foreign*100)
}

// markdown is all of it for people.
func (r *results) markdown() string {
	text := "# Optgate beside others\n\nEvery contestant verifies the signature over the raw bytes, parses, has Kafka keep the webhook (acks=all), and then answers 200;\n" +
		"bare fasthttp reads the same bytes and answers 200. Only one of them runs at a time, on the same machine as the generator and\n" +
		"Kafka. Before it is measured each has to refuse forgeries, and afterwards Kafka has to hold as much as it answered 200 for:\n" +
		fmt.Sprintf("%s records did. Medians of %d rounds of %g s with rotated order; ratios are taken within a round.\n%s\n",
			grouped(float64(r.Kept)), r.Settings.Rounds, r.Settings.Seconds, r.warning())
	text += "![Chart](" + "latest.svg" + ")\n\n## Webhooks kept a second\n\nEach connection sends the next webhook as soon as the last one is answered. In brackets: share of bare. " +
		"Processor time is\nthat of the contestant's process, with whatever runs inside it; instructions can't be counted on every machine.\n\n" + r.throughputTable()
	text += "\n## Latency at a rate\n\n256 connections; counted from the moment at which a webhook was due, so that a stall is charged to all who wait (no coordinated omission).\n" +
		"Late: how late the generator itself was, in p99; it is part of the latencies.\n\n" + r.latencyTable()
	text += r.crowdSection()
	text += "\n## From webhook to effect\n\nWorked off: webhooks a second from the first one sent by 256 connections as fast as they are answered, until each item is decoded and\n" +
		fmt.Sprintf("routed and each stop word in it is decided, with a real Redis on the same cores. In force: from sending a STOP until the private API\nwould refuse a message to that person, asked every millisecond or at most a tenth later, %d a second beside the rate; all rounds\ntogether.\n\n", probesPerSecond) + r.effectTable()
	text += "\n## Memory\n\nMiB that the process holds (VmRSS) once it is ready, and held at most (VmHWM) in all of the above.\n\n" + r.memoryTable()
	text += "\n## How\n\n" + r.how()
	return text
}

func (r *results) how() string {
	text := fmt.Sprintf("- %s; %s; %s\n- commit %s\n- `%s`\n- ", r.Machine, r.Kernel, r.Date.Format("2 January 2006, 15:04 MST"), r.Commit, r.Command)
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		versions = append(versions, name+" "+r.Versions[name])
	}
	text += strings.Join(versions, ", ") + "\n- Kafka, where none is named, is franz-go's kfake with a data directory in a process of its own, the one that Optgate embeds\n"
	var missing []string
	for _, c := range contestants() {
		if why := r.Missing[c.name]; why != "" {
			what := "not measured"
			if slices.ContainsFunc(r.Samples, func(s Sample) bool { return s.Contestant == c.name }) {
				what = "out before the last round"
			}
			missing = append(missing, fmt.Sprintf("- %s: %s (%s)\n", what, c.name, strings.ReplaceAll(why, "\n", " ")))
		}
	}
	return text + strings.Join(missing, "")
}

// each gives a row of a table for each contestant that has any.
func (r *results) each(head string, row func(c contestant) []string) string {
	rows := []string{head, "|" + strings.Repeat("---|", strings.Count(head, "|")-1)}
	for _, c := range contestants() {
		if cells := row(c); cells != nil {
			rows = append(rows, "| "+c.title+" | "+strings.Join(cells, " | ")+" |")
		}
	}
	return strings.Join(rows, "\n") + "\n"
}

// throughputTable also says how often the ingress does what another one does once.
func (r *results) throughputTable() string {
	return r.each("| | 64 connections | 256 | 1,024 | µs a webhook at 256 | Optgate is |", func(c contestant) []string {
		if len(r.of(c.name, once[0], perSecond)) == 0 {
			return nil
		}
		var cells []string
		for _, l := range throughput {
			cells = append(cells, r.cell(c.name, l))
		}
		times := ""
		if n, ok := r.ratio("optgate", c.name, once[0], perSecond); ok && c.name != bare && c.kafka == alone && c.name != "optgate" {
			times = fmt.Sprintf("%.1f times as fast", n)
		}
		cost := fmt.Sprintf("%.1f", median(r.of(c.name, once[0], (*Sample).ServerMicros)))
		if n, ok := r.ratio(c.name, bare, once[0], (*Sample).ServerMicros); ok && c.name != bare {
			cost += fmt.Sprintf(" (%.1f)", n)
		}
		return append(cells, cost, times)
	})
}

func (r *results) cell(name string, l level) string {
	values := r.of(name, l, perSecond)
	if len(values) == 0 {
		return ""
	}
	text := grouped(median(values))
	if share, ok := r.ratio(name, bare, l, perSecond); ok && name != bare {
		text += fmt.Sprintf(" (%.2g)", share)
		if share >= 0.1 {
			text = fmt.Sprintf("%s (%.2f)", grouped(median(values)), share)
		}
	}
	return text
}

func (r *results) latencyTable() string {
	var tables []string
	for _, l := range latency {
		tables = append(tables, r.each(fmt.Sprintf("| %s/s, ms | p50 | p99 | p99.9 | longest | p99 by bare's | late |", grouped(l.Rate)), func(c contestant) []string {
			if len(r.of(c.name, l, p99)) == 0 {
				return nil
			}
			at := func(what func(*Sample) float64) string { return fmt.Sprintf("%.2f", median(r.of(c.name, l, what))) }
			cells := []string{
				at(func(s *Sample) float64 { return s.Report.Latency.P50 }), at(p99),
				at(func(s *Sample) float64 { return s.Report.Latency.P999 }), at(func(s *Sample) float64 { return s.Report.Latency.Max }), "",
				at(func(s *Sample) float64 { return s.Report.Late.P99 }),
			}
			if by, ok := r.ratio(c.name, bare, l, p99); ok && c.name != bare {
				cells[4] = fmt.Sprintf("%.2f", by)
			}
			return cells
		}))
	}
	return strings.Join(tables, "\n")
}

func (r *results) effectTable() string {
	return r.each("| | worked off a second | in force when idle, p50 and p99 | at 1,000/s | at 5,000/s |", func(c contestant) []string {
		worked := median(r.of(c.name, once[0], func(s *Sample) float64 { return s.WorkedOff }))
		if worked == 0 {
			return nil
		}
		cells := []string{grouped(worked)}
		for _, rate := range effectRates {
			var all []float64
			for _, e := range r.Effects {
				if e.Contestant == c.name && e.Rate == rate {
					all = append(all, e.Millis...)
				}
			}
			if len(all) == 0 { // of results made before this rate was measured
				cells = append(cells, "")
				continue
			}
			cells = append(cells, fmt.Sprintf("%.1f and %.1f ms of %d", percentile(all, 50), percentile(all, 99), len(all)))
		}
		return cells
	})
}

func (r *results) memoryTable() string {
	return r.each("| | idle | at most |", func(c contestant) []string {
		var idle, most []float64
		for _, m := range r.Memory {
			if m.Contestant == c.name {
				idle, most = append(idle, m.Idle), append(most, m.Most)
			}
		}
		if len(idle) == 0 {
			return nil
		}
		return []string{fmt.Sprintf("%.0f", median(idle)), fmt.Sprintf("%.0f", median(most))}
	})
}
