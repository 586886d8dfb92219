package main

import (
	"fmt"
	"slices"
	"strings"
)

// median gives the middle of a benchmark's values, the upper one of two; 0 of nothing.
func (r *results) median(key string) float64 {
	values := slices.Sorted(slices.Values(r.Gate[key]))
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

// pages are the sizes of pages that the benchmark asks in, the largest first.
var pages = []int{1_000_000, 50_000, 10_000, 1_000}

func (r *results) markdown() string {
	var b strings.Builder
	say := func(format string, about ...any) { fmt.Fprintf(&b, format+"\n", about...) }
	say("# What opt-out lists cost\n")
	say("## The gate, asked about 1,000,000 recipients\n")
	say("Each list has 1,000,000 entries on the channel; every other recipient is on all of them. Lists for all channels are asked too. The view's")
	say("leases are looked at before and after each question, as for every send. Against redis-benchmark: people times lists asked a second, by the")
	say("members a second that redis-benchmark asks of one plain set of 1,000,000 phone numbers with SMISMEMBER, 1,000 random ones a call, on the")
	say("same Redis just before. Medians of %d rounds of 3 each.\n", len(r.Gate["lists=1/page=1000000 recipients/s"]))
	say("| recipients in one question | one list, recipients a second | seconds for all | against redis-benchmark | four lists, recipients a second | seconds for all | against redis-benchmark |")
	say("|---|---|---|---|---|---|---|")
	for _, page := range pages {
		cells := []string{}
		for _, lists := range []int{1, 4} {
			name := fmt.Sprintf("lists=%d/page=%d ", lists, page)
			cells = append(cells, fmt.Sprintf("%.0f", r.median(name+"recipients/s")), fmt.Sprintf("%.2f", r.median(name+"ns/op")/1e9), fmt.Sprintf("%.2f", r.median(name+"of-redis")))
		}
		say("| %d | %s |", page, strings.Join(cells, " | "))
	}
	say("\nMemory of Redis, bytes an entry: %.1f in the sets that the gate asks (a plain set of phone numbers takes %.1f times as much); with states,",
		r.median("memory/lists=1 set-B/entry"), r.median("memory/lists=1 plain-by-set"))
	say("times, sources and the pages of the list in clear %.0f where people are on one list, %.0f where they are on four.\n",
		r.median("memory/lists=1 all-B/entry"), r.median("memory/lists=4 all-B/entry"))
	say("## An import, and a Redis that lost all\n")
	say("One gateway with 64 shards on one Apache Kafka and one Redis, all on this machine. The import is one request; in force: every row decided and")
	say("shown. Then Redis is wiped while the gateway runs, and sends to people on the list are asked for without a pause until it is ready again,")
	say("and to 1,000 of them afterwards.\n")
	say("| entries | import in force after, s | upload of it, s | gateway's memory at most, MiB | whole again after, s | sends asked for | opted out | not certain | accepted |")
	say("|---|---|---|---|---|---|---|---|---|")
	for _, l := range r.Lives {
		imported := []string{"", "", ""}
		if l.Import > 0 {
			imported = []string{fmt.Sprintf("%.1f", l.Import), fmt.Sprintf("%.1f", l.Upload), fmt.Sprintf("%.0f", l.Most)}
		}
		say("| %d | %s | %.1f | %d | %d | %d | %d |", l.Entries, strings.Join(imported, " | "), l.Rebuild, l.Asked, l.Refused, l.Held, l.Accepted)
	}
	say("\n%s; %s; %s; commit %s; `%s`", r.Machine, r.Kernel, r.Date.Format("2 January 2006, 15:04 UTC"), r.Commit, r.Command)
	return b.String()
}
