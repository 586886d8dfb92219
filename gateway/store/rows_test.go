package store_test

import (
	cmp2 "cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"optgate/gateway/store"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
)

// rowShards is how many shards the stores of eachRedis have.
const rowShards = 8

// planned gives a broadcast of shard 0 that exists.
func planned(n int, outcomes int64, audience int) broadcast.Broadcast {
	for i := 0; ; i++ {
		b := broadcast.Broadcast{V: 1, Account: "acme", ID: fmt.Sprintf("b%d-%d", n, i), Status: broadcast.Planned, Created: int64(1000 + n)}
		b.Plan = broadcast.Plan{Audience: audience, Outcomes: outcomes, Pages: []int{audience}}
		if b.Ref().Shard(rowShards) == 0 {
			return b
		}
	}
}

func opened(t *testing.T, s *store.Store, until int64, all ...broadcast.Broadcast) (int64, map[broadcast.Ref][]int) {
	t.Helper()
	next, known, err := s.OpenRows(t.Context(), 0, 0, until, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range known {
		slices.Sort(rows)
	}
	return next, known
}

func folded(t *testing.T, s *store.Store, from, next int64, facts ...chat.Fact) {
	t.Helper()
	if err := s.FoldRows(t.Context(), 0, from, next, facts); err != nil {
		t.Fatal(err)
	}
}

func about(b broadcast.Broadcast, row int, status chat.Status, at int64) chat.Fact {
	return chat.Fact{V: 1, ID: b.Ref().MessageID(row), Account: b.Account, Broadcast: b.ID, Row: row, Status: status, At: at}
}

func TestARowShowsTheHighestRankItWasTold(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		b := planned(1, 40, 9)
		if next, known := opened(t, s, 40, b); next != 40 || len(known[b.Ref()]) != 0 {
			t.Fatalf("a new report begins at %d with %v", next, known)
		}
		skipped := about(b, 1, chat.Skipped, 5)
		skipped.Error, skipped.List, skipped.Reason = "Optout Number", "default", "on list default\nfor channel wa"
		sent := about(b, 2, chat.Sent, 6)
		sent.MessageID = "wamid.A"
		folded(t, s, 40, 43, skipped, about(b, 2, chat.Read, 9), sent)
		folded(t, s, 43, 45, about(b, 2, chat.Delivered, 8), about(b, 3, chat.Failed, 7))
		folded(t, s, 45, 46, about(b, 3, chat.Sent, 8))
		rows, err := s.Rows(t.Context(), b, []int{1, 2, 3, 4})
		if err != nil {
			t.Fatal(err)
		}
		want := []broadcast.Outcome{
			{Status: chat.Skipped, At: 5, Error: "Optout Number", List: "default", Reason: "on list default for channel wa"},
			{Status: chat.Read, At: 9, MessageID: "wamid.A", Sent: 6, Delivered: 8, Read: 9},
			{Status: chat.Failed, At: 7, Sent: 8, Failed: 7},
			{},
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Error(diff)
		}
		totals, err := rowTotals(t.Context(), s, b)
		if want := map[chat.Status]int{chat.Skipped: 1, chat.Read: 1, chat.Failed: 1, chat.Sent: 0, chat.Delivered: 0}; err != nil || !sameTotals(totals, want) {
			t.Errorf("totals %v %v", totals, err)
		}
		if next, known := opened(t, s, 46, b); next != 46 || !slices.Equal(known[b.Ref()], []int{1, 2, 3}) {
			t.Errorf("opened again at %d with %v", next, known)
		}
	})
}

// rowTotals counts by status.
func rowTotals(ctx context.Context, s *store.Store, b broadcast.Broadcast) (map[chat.Status]int, error) {
	counts, err := s.RowCounts(ctx, b)
	return broadcast.ByStatus(counts), err
}

func sameTotals(a, b map[chat.Status]int) bool {
	none := func(_ chat.Status, n int) bool { return n == 0 }
	a, b = maps.Clone(a), maps.Clone(b)
	maps.DeleteFunc(a, none)
	maps.DeleteFunc(b, none)
	return maps.Equal(a, b)
}

// counted counts rows one by one.
func counted(rows []broadcast.Outcome) []broadcast.Count {
	classes := map[broadcast.Count]int{}
	for _, o := range rows {
		if o.Status != "" {
			classes[broadcast.Count{Status: o.Status, Error: o.Error, List: o.List}]++
		}
	}
	var all []broadcast.Count
	for c, n := range classes {
		c.N = n
		all = append(all, c)
	}
	return sorted(all)
}

func sorted(counts []broadcast.Count) []broadcast.Count {
	slices.SortFunc(counts, func(a, b broadcast.Count) int {
		return cmp2.Or(cmp2.Compare(a.Status, b.Status), cmp2.Compare(a.Error, b.Error), cmp2.Compare(a.List, b.List))
	})
	return counts
}

var statuses = []chat.Status{
	chat.Unknown, chat.Cancelled, chat.Expired, chat.Skipped, chat.Sent, chat.Failed, chat.Delivered, chat.Read,
}

// The report is the same in whatever order, in whatever chunks and however often the facts come.
func TestOrderAndRepeatsOfFactsDoNotMatter(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		b := planned(1, 0, 5)
		report := func(t *rapid.T, facts []chat.Fact, chunk int) ([]broadcast.Outcome, []broadcast.Count) {
			wipe()
			if _, _, err := s.OpenRows(context.Background(), 0, 0, 0, []broadcast.Broadcast{b}); err != nil {
				t.Fatal(err)
			}
			next := int64(0)
			for some := range slices.Chunk(facts, chunk) {
				if err := s.FoldRows(context.Background(), 0, next, next+int64(len(some)), some); err != nil {
					t.Fatal(err)
				}
				next += int64(len(some))
			}
			rows, err := s.Rows(context.Background(), b, []int{1, 2, 3, 4, 5})
			if err != nil {
				t.Fatal(err)
			}
			counts, err := s.RowCounts(context.Background(), b)
			if err != nil {
				t.Fatal(err)
			}
			return rows, sorted(counts)
		}
		rapid.Check(t, func(t *rapid.T) {
			facts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) chat.Fact {
				f := about(b, rapid.IntRange(1, 5).Draw(t, "row"), rapid.SampledFrom(statuses).Draw(t, "status"), rapid.Int64Range(0, 3).Draw(t, "at"))
				f.Error = rapid.SampledFrom([]string{"", "131026 Undeliverable", "131049 Healthy"}).Draw(t, "error")
				f.List = rapid.SampledFrom([]string{"", "default"}).Draw(t, "list")
				if f.Status.Rank() >= chat.Sent.Rank() && rapid.Bool().Draw(t, "told id") {
					f.MessageID = fmt.Sprint("wamid.", f.Row)
				}
				return f
			}), 1, 20).Draw(t, "facts")
			rows, counts := report(t, facts, 1)
			shuffled := rapid.Permutation(slices.Concat(facts, facts[:len(facts)/2])).Draw(t, "shuffled")
			again, countsAgain := report(t, shuffled, rapid.IntRange(1, 7).Draw(t, "chunk"))
			if diff := cmp.Diff(rows, again) + cmp.Diff(counts, countsAgain) + cmp.Diff(counted(rows), counts); diff != "" {
				t.Fatal(diff)
			}
			pure := make([]broadcast.Outcome, 5)
			for _, f := range shuffled {
				pure[f.Row-1] = pure[f.Row-1].Fold(f)
			}
			if diff := cmp.Diff(pure, rows); diff != "" {
				t.Fatalf("kept otherwise than folded: %s", diff)
			}
		})
	})
}

// Runners of two processes may fold the same log at the same time.
func TestTotalsStayExactUnderConcurrentFolds(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		const audience = 60
		b := planned(1, 0, audience)
		opened(t, s, 0, b)
		var facts []chat.Fact
		for i := range 600 {
			facts = append(facts, about(b, i%audience+1, statuses[rand.IntN(len(statuses))], int64(i)))
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				next := int64(0)
				for some := range slices.Chunk(facts, 7) {
					if err := s.FoldRows(t.Context(), 0, next, next+int64(len(some)), some); err != nil {
						t.Error(err)
					}
					next += int64(len(some))
				}
			})
		}
		wg.Wait()
		want := map[chat.Status]int{}
		for row := 1; row <= audience; row++ {
			best := chat.Queued
			for _, f := range facts {
				higher := f.Status.Rank() > best.Rank() || f.Status.Rank() == best.Rank() && f.Status > best
				if f.Row == row && higher {
					best = f.Status
				}
			}
			want[best]++
		}
		if totals, err := rowTotals(t.Context(), s, b); err != nil || !sameTotals(totals, want) {
			t.Errorf("totals %v %v, want %v", totals, err, want)
		}
		if next, _ := opened(t, s, 600, b); next != 600 {
			t.Errorf("folded up to %d", next)
		}
	})
}

func TestALostReportIsNoticedAndFoldedAnew(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		b, other := planned(1, 10, 3), planned(2, 30, 3)
		opened(t, s, 10, b, other)
		folded(t, s, 10, 50, about(b, 1, chat.Sent, 1), about(b, 2, chat.Sent, 1), about(other, 1, chat.Sent, 1))
		wipe()
		if err := s.FoldRows(t.Context(), 0, 50, 60, []chat.Fact{about(b, 3, chat.Sent, 2)}); !errors.Is(err, broadcast.ErrLost) {
			t.Fatalf("folded onto nothing: %v", err)
		}
		b.Status, other.Status = broadcast.Running, broadcast.Finished
		if _, err := rowTotals(t.Context(), s, b); fault.KindOf(err) != fault.NotCertain {
			t.Fatalf("totals of a lost report: %v", err)
		}
		if next, known := opened(t, s, 60, b, other); next != 10 || len(known) != 0 {
			t.Fatalf("opened at %d with %v", next, known)
		}
		folded(t, s, 10, 40, about(b, 1, chat.Sent, 1))
		if _, err := s.Rows(t.Context(), b, []int{1}); fault.KindOf(err) != fault.NotCertain {
			t.Fatalf("rows that are half there: %v", err)
		}
		folded(t, s, 40, 60, about(b, 2, chat.Sent, 1), about(other, 1, chat.Sent, 1), about(b, 3, chat.Sent, 2))
		for b, want := range map[*broadcast.Broadcast]int{&b: 3, &other: 1} {
			if totals, err := rowTotals(t.Context(), s, *b); err != nil || !sameTotals(totals, map[chat.Status]int{chat.Sent: want}) {
				t.Errorf("totals %v %v", totals, err)
			}
		}
	})
}

func TestANewBroadcastIsFoldedFromItsBeginning(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		b, later, latest := planned(1, 10, 3), planned(2, 15, 3), planned(3, 70, 3)
		opened(t, s, 10, b)
		folded(t, s, 10, 20)
		if err := s.FoldRows(t.Context(), 0, 20, 21, []chat.Fact{about(later, 1, chat.Sent, 1)}); !errors.Is(err, broadcast.ErrLost) {
			t.Fatalf("folded what nobody opened: %v", err)
		}
		if next, _ := opened(t, s, 20, b, later); next != 15 {
			t.Errorf("a broadcast whose facts may have been passed is folded from %d", next)
		}
		if err := s.FoldRows(t.Context(), 0, 20, 30, nil); !errors.Is(err, broadcast.ErrLost) {
			t.Errorf("a gap was left: %v", err)
		}
		folded(t, s, 15, 20)
		if next, _ := opened(t, s, 70, b, later, latest); next != 20 {
			t.Errorf("facts of others were passed up to %d", next)
		}
		if _, err := rowTotals(t.Context(), s, latest); err != nil {
			t.Errorf("a broadcast that nobody has begun: %v", err)
		}
		alone := planned(4, 90, 3)
		if next, _ := opened(t, s, 90, alone); next != 90 {
			t.Errorf("facts that concern nobody are read from %d on", next)
		}
	})
}

// Who pauses a broadcast at once, or cancels it, is told of its rows before anybody has opened them.
func TestNothingIsMissingOfABroadcastThatHasNotBegun(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		f := func(status broadcast.Status, started int64, opens bool, want fault.Kind) {
			t.Helper()
			b := planned(1, 10, 3)
			if b.Status, b.Started = status, started; opens {
				opened(t, s, 20, b)
			}
			if _, err := s.RowCounts(t.Context(), b); fault.KindOf(err) != want || (err == nil) != (want == fault.Internal) {
				t.Errorf("%s, started %d, opened %v: %v", status, started, opens, err)
			}
		}
		for _, opens := range []bool{false, true} {
			f(broadcast.Planned, 0, opens, fault.Internal)
			f(broadcast.Paused, 0, opens, fault.Internal)
		}
	})
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		b := planned(1, 10, 3)
		for _, b.Started = range []int64{0, 1} {
			if b.Status = broadcast.Cancelled; b.Started > 0 {
				b.Status = broadcast.Paused
			}
			if _, err := s.RowCounts(t.Context(), b); fault.KindOf(err) != fault.NotCertain {
				t.Errorf("%s: %v", b.Status, err)
			}
		}
	})
}

// Outcomes are kept for 28 days only.
func TestRowsAreFoldedFromWhereOutcomesBegin(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		b, later := planned(1, 10, 3), planned(2, 30, 3)
		opened(t, s, 10, b)
		for _, first := range []int64{40, 50} {
			if next, _, err := s.OpenRows(t.Context(), 0, first, 60, []broadcast.Broadcast{b, later}); err != nil || next != first {
				t.Errorf("opened at %d: %v", next, err)
			}
		}
		folded(t, s, 50, 60, about(b, 1, chat.Sent, 1))
	})
}

func TestRowsOfAForgottenBroadcastGo(t *testing.T) {
	server := miniredis.RunT(t)
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "x.", Shards: rowShards})
	defer s.Close() //nolint:errcheck // nothing is left to lose
	gone, stays := planned(1, 0, 3), planned(2, 0, 3)
	opened(t, s, 0, gone, stays)
	folded(t, s, 0, 2, about(gone, 1, chat.Sent, 1), about(stays, 1, chat.Sent, 1))
	for range 2 {
		if err := s.DropRows(t.Context(), 0, gone.Ref()); err != nil {
			t.Fatal(err)
		}
	}
	if facts, err := s.Rows(t.Context(), gone, []int{1}); err != nil || facts[0].Status != chat.Sent {
		t.Errorf("who is reading them can't go on: %v %v", facts, err)
	}
	before := len(server.Keys())
	server.FastForward(time.Hour)
	if facts, err := s.Rows(t.Context(), gone, []int{1}); err != nil || facts[0].Status != "" || len(server.Keys()) != before-3 { // its tally, pieces and basket
		t.Errorf("left: %v %v in %d keys of %d", facts, err, len(server.Keys()), before)
	}
	if facts, err := s.Rows(t.Context(), stays, []int{1}); err != nil || facts[0].Status != chat.Sent {
		t.Errorf("another's are gone: %v %v", facts, err)
	}
}

func TestBroadcastsAreListedWhileTheyExist(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		if _, err := s.Active(t.Context(), 0); fault.KindOf(err) != fault.NotCertain {
			t.Fatalf("a shard without an owner: %v", err)
		}
		var views []*store.View
		places := make([]shard.Position, rowShards)
		for i := range places {
			v := s.View(i)
			views = append(views, v)
			loading := shard.Position{Generation: 1}
			if err := v.Begin(t.Context(), shard.Position{}, loading); err != nil {
				t.Fatal(err)
			}
			places[i] = shard.Position{Generation: 1, Next: 1, Whole: true}
			if _, err := v.Apply(t.Context(), loading, places[i], nil, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		decide := func(b broadcast.Broadcast, old, state []byte) {
			t.Helper()
			i := b.Ref().Shard(rowShards)
			next := places[i]
			next.Next++
			change := shard.Change{Key: b.Ref().Key(), Old: old, New: state}
			if _, err := views[i].Apply(t.Context(), places[i], next, []shard.Change{change}, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			places[i] = next
		}
		written := func(b broadcast.Broadcast) []byte {
			raw, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
		var ids []string
		for n := range 7 {
			b := broadcast.Broadcast{V: 1, Account: "acme", ID: fmt.Sprint("b", n), Status: broadcast.Planned, Created: int64(100 - n/2)}
			decide(b, nil, written(b))
			ids = append(ids, b.ID)
		}
		collecting := broadcast.Broadcast{V: 1, Account: "acme", ID: "half", Status: broadcast.Collecting, Created: 1}
		decide(collecting, nil, written(collecting))
		globex := broadcast.Broadcast{V: 1, Account: "globex", ID: "theirs", Status: broadcast.Planned, Created: 1}
		decide(globex, nil, written(globex))
		gone := broadcast.Broadcast{V: 1, Account: "acme", ID: "b6", Status: broadcast.Planned, Created: 97}
		decide(gone, written(gone), nil)

		var listed []string
		for after := ""; ; {
			page, next, err := s.Broadcasts(t.Context(), "acme", after, 2)
			if err != nil || len(page) > 2 {
				t.Fatal(page, err)
			}
			for _, b := range page {
				listed = append(listed, b.ID)
			}
			if next == "" {
				break
			}
			after = next
		}
		if want := []string{"b1", "b0", "b3", "b2", "b5", "b4"}; !slices.Equal(listed, want) {
			t.Errorf("listed %v, want %v", listed, want)
		}
		active := map[broadcast.Ref]broadcast.Status{}
		for i := range rowShards {
			some, err := s.Active(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(active, some)
		}
		if len(active) != 8 || active[collecting.Ref()] != broadcast.Collecting || active[globex.Ref()] != broadcast.Planned || active[gone.Ref()] != "" {
			t.Errorf("active %v", active)
		}
		if b, err := s.Broadcast(t.Context(), broadcast.Ref{Account: "acme", ID: ids[3]}); err != nil || b == nil || b.Created != 99 {
			t.Errorf("%+v %v", b, err)
		}
		if b, err := s.Broadcast(t.Context(), broadcast.Ref{Account: "globex", ID: ids[3]}); err != nil || b != nil {
			t.Errorf("another account's: %+v %v", b, err)
		}
	})
}
