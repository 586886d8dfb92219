package store_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
)

func TestSequencesAndSubscribersAreFound(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		owners := filled(t, s, 0)
		before := map[string][]byte{}
		put := func(ref sequence.Ref, key string, state any) {
			t.Helper()
			raw, err := json.Marshal(state)
			if err != nil {
				t.Fatal(err)
			}
			if state == nil {
				raw = nil
			}
			owners[ref.Shard(testShards)].move(time.Minute, shard.Change{Key: key, Old: before[key], New: raw})
			before[key] = raw
		}
		ref := sequence.Ref{Account: "acme", ID: "seq_1"}
		q := sequence.Sequence{V: 1, ID: ref.ID, Account: ref.Account, Status: sequence.Active, Version: 1, Created: 1}
		put(ref, ref.SumsKey(), sequence.Sums{V: 1, Folded: 7})
		put(ref, ref.Key(), q)
		stamp := func() string {
			all, err := s.Sequences(t.Context(), ref.Shard(testShards))
			if err != nil {
				t.Fatal(err)
			}
			return all[ref]
		}
		first := stamp()
		q.Status = sequence.Paused
		if put(ref, ref.Key(), q); first == "" || stamp() == first {
			t.Errorf("a change shows nothing: %q", first)
		}
		if got, sums, err := s.Sequence(t.Context(), ref); err != nil || got.Status != sequence.Paused || sums.Folded != 7 {
			t.Errorf("%+v %+v %v", got, sums, err)
		}
		person := func(p chat.Pseudonym, since, due int64) {
			t.Helper()
			put(ref, ref.SubscriberKey(p), sequence.Subscriber{V: 1, Account: ref.Account, Sequence: ref.ID, P: p, Since: since, Due: due})
		}
		for n := range 5 {
			person(chat.Pseudonym(10+n), int64(n), int64(100-n))
		}
		people := func(all []sequence.Subscriber, err error) string {
			t.Helper()
			var names []string
			for _, one := range all {
				names = append(names, one.P.String())
			}
			if err != nil {
				names = append(names, err.Error())
			}
			return strings.Join(names, " ")
		}
		f := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %q, not %q", what, got, want)
			}
		}
		listed := func(limit int) string {
			var all []sequence.Subscriber
			for after := ""; ; {
				page, next, err := s.Subscribers(t.Context(), ref, after, limit)
				if all = append(all, page...); next == "" || err != nil {
					return people(all, err)
				}
				after = next
			}
		}
		f("due", people(s.DueSubscribers(t.Context(), ref, 98, 10)), "14 13 12")
		f("due, not all at once", people(s.DueSubscribers(t.Context(), ref, 100, 2)), "14 13")
		person(14, 4, 200)
		f("moved", people(s.DueSubscribers(t.Context(), ref, 100, 2)), "13 12")
		person(11, 9, 50) // subscribed anew
		for _, limit := range []int{1, 2, 100} {
			f("in order", listed(limit), "10 12 13 14 11")
		}
		put(ref, ref.SubscriberKey(10), nil)
		f("gone", listed(100), "12 13 14 11")
		f("gone", people(s.DueSubscribers(t.Context(), ref, 1000, 100)), "11 13 12 14")
		f("another's", people(s.DueSubscribers(t.Context(), sequence.Ref{Account: "acme", ID: "seq_2"}, 1000, 100)), "")
		if refs, next, err := s.SequencesOf(t.Context(), "acme", "", 10); err != nil || next != "" || len(refs) != 1 || refs[0] != ref {
			t.Errorf("%v %q %v", refs, next, err)
		}
		put(ref, ref.Key(), nil)
		if got, _, err := s.Sequence(t.Context(), ref); got != nil || err != nil || stamp() != "" {
			t.Errorf("%+v %v", got, err)
		}
		wipe()
		if _, err := s.Sequences(t.Context(), ref.Shard(testShards)); fault.KindOf(err) != fault.NotCertain {
			t.Errorf("wiped: %v", err)
		}
		if _, err := s.DueSubscribers(t.Context(), ref, 1, 1); fault.KindOf(err) != fault.NotCertain {
			t.Errorf("wiped: %v", err)
		}
	})
}
