package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// allowedAfter is how long after an opt-out is in force a call may still begin.
const allowedAfter = 250 * time.Millisecond

// callsAtOnce is how many calls a lane has under way at most, and lanes how many there are.
const callsAtOnce = 64

// judgeConfirmations wants exactly one confirmation of each message that changed something for who it showed.
func (e *evidence) judgeConfirmations(a *account) {
	called := map[string]int{}
	for _, c := range e.calls {
		called[c.id]++
	}
	due := map[string]bool{}
	for _, r := range e.rows {
		if e.changes[r.Root].confirms(r) {
			due["c/"+r.Root] = true
		}
	}
	unknown := 0
	for _, id := range slices.Sorted(maps.Keys(due)) {
		if called[id] == 0 {
			if slices.Contains(e.settled[id], "Unknown") {
				unknown++
				continue
			}
			a.findf(promiseOnce, "confirmation %s is due and was never sent; outcomes say %v", id, e.settled[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(called)) {
		if strings.HasPrefix(id, "c/") && !due[id] {
			a.findf(promiseOnce, "confirmation %s was sent and is not due", id)
		}
	}
	a.countf("%d confirmations were due, %d of them Unknown and never sent", len(due), unknown)
	e.judgeUnknown(a, "confirmations", unknown)
}

// judgeUnknown bounds what may be Unknown: what was in flight at each trouble.
func (e *evidence) judgeUnknown(a *account, what string, n int) {
	if most := callsAtOnce * len(e.troubles); n > most {
		a.findf(promiseOnce, "%d %s are Unknown, at most %d could have been in flight", n, what, most)
	}
}

// judgeCalls wants each message called once, and no call of a broadcast to who is certainly on the list.
func (e *evidence) judgeCalls(a *account) {
	calls, times := slices.Clone(e.calls), map[string]int{}
	slices.SortFunc(calls, func(x, y call) int { return x.at.Compare(y.at) })
	for _, c := range calls {
		if times[c.id]++; times[c.id] == 2 {
			a.findf(promiseOnce, "message %s was called twice", hashed(c.id))
		}
	}
	starts := map[string][]heard{}
	for _, s := range e.said {
		if s.list == "default" && !s.out {
			for _, who := range s.who {
				starts[who] = append(starts[who], s)
			}
		}
	}
	seen := map[string][]sighting{}
	for _, s := range e.sightings {
		seen[s.who] = append(seen[s.who], s)
	}
	broadcasts, latest := 0, time.Duration(0)
	for _, c := range calls {
		if c.broadcast == "" {
			continue
		}
		broadcasts++
		for _, s := range seen[c.who] {
			after := c.at.Sub(s.from) - e.lagAt(c.at)
			if after <= 0 || !s.until.IsZero() && !c.at.Before(s.until) || lifted(starts[c.who], s, c.at) {
				continue
			}
			latest = max(latest, after)
			if after > allowedAfter {
				a.findf(promiseSilence, "phone %s was called %s after its opt-out was seen in force", hashed(c.who), after.Round(time.Millisecond))
			}
		}
	}
	a.countf("%d calls of broadcasts, %d of confirmations; the latest after an opt-out was seen in force began %s later",
		broadcasts, len(calls)-broadcasts, latest.Round(time.Millisecond))
}

// lifted says whether a start that is later than an opt-out had already left for the gateway.
func lifted(starts []heard, s sighting, by time.Time) bool {
	return slices.ContainsFunc(starts, func(h heard) bool {
		return h.atMilli > s.since && !h.posted.IsZero() && h.posted.Before(by)
	})
}

// lagAt gives how late this process was about a time: a call may have begun so much earlier than it saw.
func (e *evidence) lagAt(at time.Time) (by time.Duration) {
	i, _ := slices.BinarySearchFunc(e.lags, at.Add(-2*time.Second), func(l lag, t time.Time) int { return l.at.Compare(t) })
	for ; i < len(e.lags) && e.lags[i].at.Before(at); i++ {
		by = max(by, e.lags[i].by)
	}
	return by
}

// judgeReports compares each report with the calls that there were.
func (e *evidence) judgeReports(a *account) {
	called := map[string]map[string]int{}
	for _, c := range e.calls {
		if called[c.broadcast] == nil {
			called[c.broadcast] = map[string]int{}
		}
		called[c.broadcast][c.who]++
	}
	known := map[string]bool{"": true} // of confirmations
	for _, c := range e.campaigns {
		known[c.ID] = true
	}
	for id, people := range called {
		if !known[id] {
			a.findf(promiseReport, "%d people were called for a broadcast that nobody made", len(people))
		}
	}
	statuses, unknown := map[string]int{}, 0
	for _, c := range e.campaigns {
		if !c.over() {
			a.findf(promiseReport, "broadcast %s is %s", c.ID, cmp.Or(c.Status, "nowhere"))
			continue
		}
		sum := 0
		for name, n := range c.Totals {
			if name != "audience" && name != "duplicates" {
				sum += n
			}
		}
		if sum != c.Audience || len(c.Rows) != c.Audience {
			a.findf(promiseReport, "broadcast %s: %d recipients, %d rows, totals add up to %d", c.ID, c.Audience, len(c.Rows), sum)
		}
		for _, row := range c.Rows {
			statuses[row.Status]++
			n := called[c.ID][identifier(row.To)]
			switch row.Status {
			case "Sent", "Delivered", "Read":
				if n != 1 {
					a.findf(promiseReport, "broadcast %s: a row is %s after %d calls", c.ID, row.Status, n)
				}
			case "Unknown":
				unknown++
			default:
				if n != 0 || row.Status != "Skipped" && (row.Status != "Cancelled" || !c.Cancel) {
					a.findf(promiseReport, "broadcast %s: a row is %s (%s) after %d calls", c.ID, row.Status, row.Error, n)
				}
			}
		}
	}
	a.countf("%d broadcasts; rows by status: %v", len(e.campaigns), statuses)
	e.judgeUnknown(a, "rows", unknown)
}
