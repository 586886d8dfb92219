package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/store"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// somewhat makes a fact as lanes and receipts tell them, in any order.
func somewhat(chance *rand.Rand, b broadcast.Broadcast) chat.Fact {
	f := about(b, 1+chance.IntN(b.Audience), statuses[chance.IntN(len(statuses))], 1+chance.Int64N(1000))
	switch f.Status {
	case chat.Failed:
		f.Error = fmt.Sprint(131020+chance.IntN(4), " Undeliverable, of kind ", chance.IntN(3))
	case chat.Skipped:
		f.Error, f.List, f.Reason = "Optout Number", []string{"default", "news"}[chance.IntN(2)], fmt.Sprint("since ", f.Row)
	}
	if f.Status.Rank() >= chat.Sent.Rank() {
		f.MessageID = fmt.Sprint("wamid.", f.Row)
	}
	return f
}

// Whatever comes in whatever order and however often, through losses of Redis: rows are what the facts fold to, counts are
// those of the rows, and every filter finds exactly the rows that fit.
func TestCountsAndFiltersAreExactWhateverHappens(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		for seed := range uint64(6) {
			chance := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // to be had again
			b := planned(int(seed), 0, 1300)         // some baskets, and more than two pieces
			b.Status = broadcast.Running
			var facts []chat.Fact
			for range 4000 {
				facts = append(facts, somewhat(chance, b))
			}
			wipe()
			next, _ := opened(t, s, 0, b)
			for next < int64(len(facts)) {
				until := min(next+1+chance.Int64N(900), int64(len(facts)))
				back := max(0, next-chance.Int64N(300)) // what was folded before comes again
				some := slices.Clone(facts[back:until])
				chance.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
				folded(t, s, next, until, some...)
				if next = until; chance.IntN(6) == 0 {
					wipe()
					next, _ = opened(t, s, next, b)
				}
			}
			want := make([]broadcast.Outcome, b.Audience)
			for _, f := range facts {
				want[f.Row-1] = want[f.Row-1].Fold(f)
			}
			check(t, s, b, want)
		}
	})
}

func check(t *testing.T, s *store.Store, b broadcast.Broadcast, want []broadcast.Outcome) {
	t.Helper()
	numbers := make([]int, b.Audience)
	for i := range numbers {
		numbers[i] = i + 1
	}
	rows, err := s.Rows(t.Context(), b, numbers)
	if diff := cmp.Diff(want, rows); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	counts, err := s.RowCounts(t.Context(), b)
	if diff := cmp.Diff(counted(want), sorted(counts)); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	var known []int
	for i, o := range want {
		if o.Status != "" {
			known = append(known, i+1)
		}
	}
	if _, told := opened(t, s, 0, b); !slices.Equal(told[b.Ref()], known) {
		t.Fatalf("%d rows are known, not %d", len(told[b.Ref()]), len(known))
	}
	for _, f := range []broadcast.Filter{
		{}, {Statuses: []chat.Status{chat.Queued}}, {Statuses: []chat.Status{chat.Failed, chat.Queued, chat.Read}}, {Errors: []string{"131021"}},
		{Errors: []string{"131022 Undeliverable, of kind 1"}}, {Lists: []string{"news"}}, {Lists: []string{"none"}},
		{Statuses: []chat.Status{chat.Skipped}, Errors: []string{"Optout Number"}, Lists: []string{"news", "default"}},
	} {
		var fit, found []int
		for i, o := range want {
			if f.Fits(o.Shown(), o.Error, o.List) {
				fit = append(fit, i+1)
			}
		}
		for from := 1; ; from = found[len(found)-1] + 1 {
			some, err := s.FindRows(t.Context(), b, f, from, 37)
			if err != nil {
				t.Fatal(err)
			}
			if len(some) == 0 {
				break
			}
			found = append(found, some...)
		}
		if !slices.Equal(fit, found) || f.Matching(b.Audience, counts) != len(fit) {
			t.Errorf("%+v: %d rows are found and %d counted, %d fit", f, len(found), f.Matching(b.Audience, counts), len(fit))
		}
	}
}

// Meta's texts may be as many as there are rows: then they are counted together, and each row keeps its own.
func TestTooManyErrorsAreCountedTogether(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		b := planned(1, 0, broadcast.MaxCounts+50)
		opened(t, s, 0, b)
		var facts []chat.Fact
		for n := 1; n <= b.Audience; n++ {
			f := about(b, n, chat.Failed, 5)
			f.Error = fmt.Sprintf("131000 Trouble %d", n)
			facts = append(facts, f)
		}
		folded(t, s, 0, 1, facts...)
		folded(t, s, 0, 1, facts...)
		counts, err := s.RowCounts(t.Context(), b)
		if err != nil || len(counts) != broadcast.MaxCounts+1 {
			t.Fatalf("%d counts, %v", len(counts), err)
		}
		last := counts[len(counts)-1]
		if last != (broadcast.Count{Status: chat.Failed, Error: "131000 (others)", N: 50}) {
			t.Errorf("%+v", last)
		}
		rows, err := s.Rows(t.Context(), b, []int{b.Audience})
		if err != nil || rows[0].Error != facts[b.Audience-1].Error {
			t.Errorf("%+v %v", rows, err)
		}
		folded(t, s, 0, 2, about(b, b.Audience, chat.Delivered, 7))
		counts, err = s.RowCounts(t.Context(), b)
		if err != nil || counts[broadcast.MaxCounts].N != 49 || counts[broadcast.MaxCounts+1].Status != chat.Delivered {
			t.Errorf("after a delivery: %+v %v", counts[broadcast.MaxCounts:], err)
		}
		if found, err := s.FindRows(t.Context(), b, broadcast.Filter{Errors: []string{"131000"}}, 1, 5000); err != nil || len(found) != b.Audience-1 {
			t.Errorf("%d rows with the code, %v", len(found), err)
		}
	})
}
