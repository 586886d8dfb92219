package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// finding is one thing that should not be.
type finding struct {
	promise string
	text    string // names nobody: identifiers and message ids as hashes
}

// account is what a round came to.
type account struct {
	findings []finding
	counts   []string // what there was, a line each
}

func (a *account) findf(promise, format string, values ...any) {
	a.findings = append(a.findings, finding{promise, fmt.Sprintf(format, values...)})
}

func (a *account) countf(format string, values ...any) {
	a.counts = append(a.counts, fmt.Sprintf(format, values...))
}

// hashed stands for what names a person.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// The promises.
const (
	promiseKept      = "200 means kept"
	promiseExplained = "each message is explained once"
	promiseStanding  = "no opt-out is lost, and none invented"
	promiseOnce      = "one event, one effect"
	promiseSilence   = "nothing is sent after an opt-out is in force"
	promiseReport    = "reports add up"
	promiseRecovery  = "everything recovers by itself"
	promisePrivacy   = "no log names anybody"
)

// judge holds the evidence against the promises.
func (e *evidence) judge() account {
	var a account
	e.judgeKept(&a)
	e.judgeStanding(&a)
	e.judgeLedger(&a)
	e.judgeConfirmations(&a)
	e.judgeCalls(&a)
	e.judgeReports(&a)
	for _, t := range e.troubles {
		if t.err != nil {
			a.findf(promiseRecovery, "%s", t)
		}
	}
	for _, d := range e.deaths {
		a.findf(promiseRecovery, "%s", d)
	}
	for _, l := range e.leaks {
		a.findf(promisePrivacy, "%s", l)
	}
	return a
}

// judgeKept looks for every acknowledged item in inbound and events.
func (e *evidence) judgeKept(a *account) {
	acked, open, repeats := 0, 0, 0
	for _, s := range e.said {
		if s.acked.IsZero() {
			open++
			continue
		}
		if s.key == "" {
			continue // Meta gives it no id
		}
		acked++
		if e.inbound[s.key] == 0 {
			a.findf(promiseKept, "message %s was answered 200 and is not in inbound", hashed(s.key))
		}
		repeats += max(0, e.inbound[s.key]-1)
		e.judgeExplained(a, s)
	}
	if open > 0 {
		a.findf(promiseRecovery, "%d items were never answered 200", open)
	}
	garbage := 0
	for _, l := range e.dead {
		if l.garbage {
			garbage++
			continue
		}
		a.findf(promiseExplained, "a dead letter from %s: %s", l.source, l.reason)
	}
	a.countf("%d messages were answered 200; inbound holds %d repeats of them; %d letters of garbage in dead", acked, repeats, garbage)
}

func (e *evidence) judgeExplained(a *account, s heard) {
	told := e.events[s.key]
	if len(told) == 0 {
		a.findf(promiseExplained, "message %s is in no event", hashed(s.key))
		return
	}
	want := ""
	if s.list != "" {
		want = map[bool]string{true: "out", false: "in"}[s.out]
	}
	for _, t := range told {
		if t.id != told[0].id {
			a.findf(promiseExplained, "message %s has events of two ids", hashed(s.key))
		}
		if t.change != want {
			a.findf(promiseExplained, "message %s: its event says change %q, not %q", hashed(s.key), t.change, want)
		}
	}
}

// judgeStanding compares the lists with what was said. Who said something that was never answered is left out.
func (e *evidence) judgeStanding(a *account) {
	ties, doubtful := newTies(), map[string]bool{}
	for _, s := range e.said {
		ties.tie(slices.Concat(s.who, s.before))
	}
	for _, s := range e.said {
		if s.acked.IsZero() && len(s.who) > 0 {
			doubtful[ties.root(s.who[0])] = true
		}
	}
	must := standing(e.said)
	for _, list := range []string{"default", "meta"} {
		for _, who := range slices.Sorted(maps.Keys(must[list])) {
			since, there := e.standing[list][who]
			switch {
			case doubtful[ties.root(who)]:
			case !there:
				a.findf(promiseStanding, "%s %s must stand on %s and does not", kindOf(who), hashed(who), list)
			case since != must[list][who]:
				a.findf(promiseStanding, "%s %s stands on %s since %d, not %d", kindOf(who), hashed(who), list, since, must[list][who])
			}
		}
		for _, who := range slices.Sorted(maps.Keys(e.standing[list])) {
			if _, rightly := must[list][who]; !rightly && !doubtful[ties.root(who)] {
				a.findf(promiseStanding, "%s %s stands on %s and must not", kindOf(who), hashed(who), list)
			}
		}
		a.countf("%d identifiers stand on the list %s", len(e.standing[list]), list)
	}
}

func kindOf(who string) string {
	kind, _, _ := strings.Cut(who, ":")
	return kind
}

// judgeLedger looks for doubled rows and broken chains.
func (e *evidence) judgeLedger(a *account) {
	rows := slices.Clone(e.rows)
	slices.SortFunc(rows, func(x, y ledgerRow) int { return int(x.offset - y.offset) })
	causes, said, last := map[string]bool{}, map[string]bool{}, map[string]ledgerRow{}
	for _, r := range rows {
		if cause := fmt.Sprint(r.partition, "/", r.cause); causes[cause] {
			a.findf(promiseOnce, "the ledger holds the row %s twice", cause)
		} else {
			causes[cause] = true
		}
		if one := fmt.Sprint(r.entry(), "/", r.Root, "/", r.To, "/", r.Message); said[one] {
			a.findf(promiseOnce, "command %s changed one entry to %s twice by the same message", r.Root, r.To)
		} else {
			said[one] = true
		}
		before, known := last[r.entry()]
		if known && (before.To != r.From || before.offset != r.Prev) || !known && (r.From != "in" || r.Prev != -1) {
			a.findf(promiseOnce, "ledger row %d/%d does not follow the row before of its entry", r.partition, r.offset)
		}
		last[r.entry()] = r
	}
	standing := 0
	for _, r := range last {
		if r.To == "out" {
			standing++
		}
	}
	if listed := len(e.standing["default"]) + len(e.standing["meta"]); standing != listed {
		a.findf(promiseStanding, "by the ledger %d entries stand, by the lists %d", standing, listed)
	}
	a.countf("%d rows of the ledger", len(rows))
}
