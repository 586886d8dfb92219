package offer

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the longest latency that is told apart from longer ones.
const longest = 10 * time.Minute

// histogram counts latencies in µs, to three digits.
type histogram struct{ *hdrhistogram.Histogram }

func newHistogram() histogram { return histogram{hdrhistogram.New(1, longest.Microseconds(), 3)} }

func (h histogram) record(d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds())) // within the bounds it never fails
}

// tally counts what came of webhooks. Connections share its parts, so that they seldom wait for each other.
type tally struct {
	parts []*part
	late  histogram // how late a webhook left that had a free connection: our own fault; written by pace alone
}

type part struct {
	mu        sync.Mutex
	latencies histogram
	answers   map[int]int // counted ones, by status
	errors    map[kind]int
	all       Kept // warm-up included
	counted   Kept
}

const parts = 4

func newTally() tally {
	t := tally{late: newHistogram()}
	for range parts {
		t.parts = append(t.parts, &part{latencies: newHistogram(), answers: map[int]int{}, errors: map[kind]int{}})
	}
	return t
}

// counts says whether a webhook is counted: at a rate by when it was due, else by when it ended.
func (r *run) counts(due, now time.Duration) bool {
	if r.Rate > 0 {
		return due >= r.from
	}
	return now >= r.from && now < r.until
}

// answered files an answer.
func (t *tally) answered(r *run, id int, n uint64, status int, due, now time.Duration) {
	p, counted := t.parts[id%parts], r.counts(due, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	if counted {
		p.answers[status]++
		p.latencies.record(now - due)
	}
	if status == 200 {
		items, stops := r.Mix.Items(n)
		p.all.add(items, stops)
		if counted {
			p.counted.add(items, stops)
		}
	}
}

// failed files a webhook without answer. Its latency is known to be no shorter than this.
func (t *tally) failed(r *run, id int, why kind, due, now time.Duration) {
	p := t.parts[id%parts]
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.counts(due, now) {
		p.errors[why]++
		p.latencies.record(now - due)
	}
}
