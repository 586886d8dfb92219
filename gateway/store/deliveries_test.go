package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/fault"
	"optgate/pipeline/feed"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// delivery is the nth of a shard, made n seconds after the beginning.
func delivery(at, n int, status feed.Status, next int64) feed.Delivery {
	d := feed.Delivery{
		V: 1, Account: "acme", Made: int64(n) * 1000, Status: status, Next: next,
		Offer: optout.Offer{ID: optout.DeliveryID(at, fmt.Sprint(n)), List: "news", Channel: "*", Out: true, At: 1, Who: "phone:447700900001"},
	}
	if status != feed.Pending {
		d.Next, d.Done = 0, next
	}
	return d
}

// becomes is the change of a delivery from one state to another; nil: there is none.
func becomes(t *testing.T, old, now *feed.Delivery) (c shard.Change) {
	t.Helper()
	for _, side := range []struct {
		d    *feed.Delivery
		into *[]byte
	}{{old, &c.Old}, {now, &c.New}} {
		if side.d == nil {
			continue
		}
		raw, err := json.Marshal(side.d)
		if err != nil {
			t.Fatal(err)
		}
		c.Key, *side.into = side.d.Ref().Key(), raw
	}
	return c
}

func due(t *testing.T, s *store.Store, at int, until int64, limit int) (ids []string) {
	t.Helper()
	found, err := s.Due(t.Context(), at, feed.List{Account: "acme", ID: "news"}, time.UnixMilli(until), limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		ids = append(ids, d.ID)
	}
	return ids
}

func TestDeliveriesAreDueInTheirOrderAndLeaveWhenDone(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		o := lead(t, s, 1, 1)
		first, second, later := delivery(1, 1, feed.Pending, 1_794_300_000_200), delivery(1, 2, feed.Pending, 1_794_300_000_100), delivery(1, 3, feed.Pending, 1_794_300_099_000)
		for range 2 { // repeated, as after a crash
			o.move(time.Minute, becomes(t, nil, &first), becomes(t, nil, &second), becomes(t, nil, &later))
		}
		if got := due(t, s, 1, 1_794_300_000_200, 10); !slices.Equal(got, []string{second.ID, first.ID}) {
			t.Errorf("due %v", got)
		}
		if got := due(t, s, 1, 1_794_300_000_200, 1); !slices.Equal(got, []string{second.ID}) {
			t.Errorf("a page of one is %v", got)
		}
		feeds, err := s.Feeds(t.Context(), 1)
		want := []feed.Waiting{{List: feed.List{Account: "acme", ID: "news"}, Count: 3, Next: time.UnixMilli(1_794_300_000_100), Oldest: time.UnixMilli(1000)}}
		if err != nil || !slices.Equal(feeds, want) {
			t.Errorf("feeds %v, %v", feeds, err)
		}
		again, done := second, delivery(1, 1, feed.Dead, 1_794_300_000_300)
		again.Next = 1_794_300_500_000
		o.move(time.Minute, becomes(t, &first, &done), becomes(t, &second, &again))
		if got := due(t, s, 1, 1_794_300_400_000, 10); !slices.Equal(got, []string{later.ID}) {
			t.Errorf("due %v", got)
		}
		old, err := s.Old(t.Context(), 1, time.UnixMilli(done.KeptUntil()), 10)
		if err != nil || !slices.Equal(old, []feed.Ref{done.Ref()}) {
			t.Errorf("old %v, %v", old, err)
		}
		if old, err := s.Old(t.Context(), 1, time.UnixMilli(done.KeptUntil()-1), 10); err != nil || len(old) != 0 {
			t.Errorf("forgotten early: %v, %v", old, err)
		}
		o.move(time.Minute, becomes(t, &done, nil), becomes(t, &again, nil), becomes(t, &later, nil))
		feeds, err = s.Feeds(t.Context(), 1)
		old, wrong := s.Old(t.Context(), 1, time.Now().Add(time.Hour), 10)
		if err != nil || wrong != nil || len(feeds) != 0 || len(old) != 0 {
			t.Errorf("left: %v %v, %v %v", feeds, old, err, wrong)
		}
	})
}

func TestAListWithNothingToPostIsLookedAtNoMoreUntilItHasAgain(t *testing.T) {
	m := memory(t)
	s := store.Open(store.Config{Addresses: []string{m.Addr()}, Prefix: "t.", Shards: 8})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o := lead(t, s, 1, 1)
	looked := func(feeds, members int) {
		t.Helper()
		found, err := s.Feeds(t.Context(), 1)
		var all []string
		for _, key := range m.Keys() {
			if strings.HasSuffix(key, "}feeds") {
				all, _ = m.Members(key)
			}
		}
		if err != nil || len(found) != feeds || len(all) != members {
			t.Errorf("%d feeds, %v; looks at %v", len(found), err, all)
		}
	}
	waits, done := delivery(1, 1, feed.Pending, 1_794_300_000_200), delivery(1, 1, feed.Delivered, 1_794_300_000_300)
	for range 2 { // it is replayed later
		o.move(time.Minute, becomes(t, nil, &waits))
		looked(1, 1)
		o.move(time.Minute, becomes(t, &waits, &done))
		looked(0, 0)
	}
}

func TestDeliveriesArePagedByTimeOverAllShards(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		statuses := feed.Statuses()
		var owners []*owner
		for at := range int(testShards) {
			owners = append(owners, lead(t, s, at, 1))
		}
		for n := range 60 {
			d := delivery(n%int(testShards), n, statuses[n%len(statuses)], 1_794_300_000_000)
			owners[n%int(testShards)].move(time.Minute, becomes(t, nil, &d))
		}
		list := feed.List{Account: "acme", ID: "news"}
		for _, limit := range []int{1, 7, 100} {
			made, after := []int64{}, ""
			for {
				page, next, err := s.Deliveries(t.Context(), list, statuses, after, limit)
				if err != nil || len(page) > limit {
					t.Fatalf("%d deliveries, %v", len(page), err)
				}
				for _, d := range page {
					made = append(made, d.Made)
				}
				if after = next; next == "" {
					break
				}
			}
			if len(made) != 60 || made[0] != 59_000 || made[59] != 0 || !slices.IsSortedFunc(made, func(a, b int64) int { return int(b - a) }) {
				t.Errorf("pages of %d: %v", limit, made)
			}
		}
		dead, _, err := s.Deliveries(t.Context(), list, []feed.Status{feed.Dead}, "", 100)
		if err != nil || len(dead) != 15 || slices.ContainsFunc(dead, func(d feed.Delivery) bool { return d.Status != feed.Dead }) {
			t.Errorf("%d dead, %v", len(dead), err)
		}
		if _, _, err := s.Deliveries(t.Context(), list, statuses, "nonsense", 10); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a cursor that nobody gave: %v", err)
		}
		for id, there := range map[string]bool{dead[0].ID: true, optout.DeliveryID(1, "none"): false, optout.DeliveryID(999, "far"): false, "nonsense": false} {
			if d, err := s.Delivery(t.Context(), feed.Ref{Account: "acme", ID: id}); err != nil || (d != nil) != there {
				t.Errorf("%s: %v, %v", id, d, err)
			}
		}
		if d, err := s.Delivery(t.Context(), feed.Ref{Account: "globex", ID: dead[0].ID}); err != nil || d != nil {
			t.Errorf("another account's: %v, %v", d, err)
		}
	})
}
