package api

import (
	"cmp"
	"slices"

	"optgate/pipeline/broadcast"
)

// mostCounts is how many errors, and how many lists, a broadcast shows: those with the most rows.
const mostCounts = 100

// errorCount is how many rows of a broadcast show an error.
type errorCount struct {
	Error string `json:"error"`
	Count int    `json:"count"`
}

// listCount is how many rows of a broadcast a list has barred.
type listCount struct {
	List  string `json:"list"`
	Count int    `json:"count"`
}

func byError(counts []broadcast.Count) []errorCount {
	return summed(counts, func(c broadcast.Count) string { return c.Error }, func(name string, n int) errorCount { return errorCount{name, n} })
}

func byList(counts []broadcast.Count) []listCount {
	return summed(counts, func(c broadcast.Count) string { return c.List }, func(name string, n int) listCount { return listCount{name, n} })
}

// summed sums counts up by what name gives, the greatest first; what has no name is left out.
func summed[T any](counts []broadcast.Count, name func(broadcast.Count) string, as func(string, int) T) []T {
	type sum struct {
		name string
		n    int
	}
	var sums []sum
	for _, c := range counts {
		of := name(c)
		at := slices.IndexFunc(sums, func(s sum) bool { return s.name == of })
		switch {
		case of == "":
		case at < 0:
			sums = append(sums, sum{of, c.N})
		default:
			sums[at].n += c.N
		}
	}
	slices.SortFunc(sums, func(a, b sum) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	all := []T{}
	for _, s := range sums[:min(len(sums), mostCounts)] {
		all = append(all, as(s.name, s.n))
	}
	return all
}

// pauseAnswer says why a broadcast is paused.
type pauseAnswer struct {
	Code   string `json:"code"`
	Reason string `json:"reason"`
	At     string `json:"at"`
}

func pauseOf(b broadcast.Broadcast) *pauseAnswer {
	if b.Pause == nil {
		return nil
	}
	return &pauseAnswer{b.Pause.Code, b.Pause.Reason, instant(b.Pause.At)}
}
