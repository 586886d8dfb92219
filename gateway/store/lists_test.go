package store_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// onLists gives the nth person on some lists and channels, out or in, and the change of the view from a state before.
func onLists(n int, before []byte, entries ...optout.Entry) (chat.Pseudonym, shard.Change) {
	p, change := person(n, "", "", false)
	var state optout.Person
	if err := json.Unmarshal(change.New, &state); err != nil {
		panic(err)
	}
	state.Entries = entries
	if change.New, change.Old = nil, before; len(entries) > 0 {
		raw, err := json.Marshal(state)
		if err != nil {
			panic(err)
		}
		change.New = raw
	}
	return p, change
}

func TestWhoWouldBeReachedAgainIsCounted(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		a := optout.Account{ID: "acme", Numbers: map[string]int{"wa": 101, "page": 102}, Lists: []optout.List{{ID: "default"}, {ID: "meta"}, {ID: "news"}, {ID: "promo"}}}
		if _, _, err := s.CountMembers(t.Context(), a, "news"); fault.KindOf(err) != fault.NotCertain {
			t.Errorf("without owners: %v", err)
		}
		owners := filled(t, s, 0)
		wantOn, wantAlone := 0, 0
		for n := range 300 {
			entries := []optout.Entry{{List: "news", Channel: "wa", Out: 1}}
			if n%2 == 0 {
				entries = append(entries, optout.Entry{List: "news", Channel: "*", Out: 1}) // twice on the list is one
			}
			if n%3 == 0 {
				entries = append(entries, optout.Entry{List: "promo", Channel: "page", Out: 1})
			}
			if n%5 == 0 {
				entries = append(entries, optout.Entry{List: "default", Channel: "wa", Out: 1, In: 2}) // is back
			}
			if n%7 == 0 {
				entries = append(entries, optout.Entry{List: "gone", Channel: "wa", Out: 1}) // a list that isn't there any more
			}
			if wantOn++; n%3 != 0 {
				wantAlone++
			}
			p, change := onLists(n, nil, entries...)
			owners[testShards.Of(p)].move(time.Minute, change)
		}
		on, alone, err := s.CountMembers(t.Context(), a, "news")
		if err != nil || on != wantOn || alone != wantAlone {
			t.Errorf("%d and %d, not %d and %d: %v", on, alone, wantOn, wantAlone, err)
		}
		if on, alone, err = s.CountMembers(t.Context(), a, "meta"); err != nil || on+alone != 0 {
			t.Errorf("%d and %d: %v", on, alone, err)
		}
	})
}

func TestWhatIsLeftOfADeletedListIsFoundUntilItsEntriesAreDropped(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		a := optout.Account{ID: "acme", Numbers: map[string]int{"wa": 101}, Gone: []string{"news"}}
		owners := filled(t, s, 0)
		news := optout.Entry{List: "news", Channel: "wa", Out: 1}
		everywhere := optout.Entry{List: "news", Channel: "*", Out: 1}
		kept := optout.Entry{List: "default", Channel: "wa", Out: 1}
		left := func() (all []chat.Pseudonym) {
			t.Helper()
			for at := range int(testShards) {
				if err := s.Left(t.Context(), at, a, "news", func(some []chat.Pseudonym) error { all = append(all, some...); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			slices.Sort(all)
			return slices.Compact(all)
		}
		states, people := map[int][]byte{}, []chat.Pseudonym{}
		for n := range 700 {
			p, change := onLists(n, nil, kept, news, everywhere)
			owners[testShards.Of(p)].move(time.Minute, change)
			states[n], people = change.New, append(people, p)
		}
		slices.Sort(people)
		if got := left(); !slices.Equal(got, people) {
			t.Errorf("%d are left", len(got))
		}
		for n := range 700 {
			rest := []optout.Entry{kept}
			if n%2 == 0 {
				rest = nil // nothing is left of the state
			}
			p, change := onLists(n, states[n], rest...)
			owners[testShards.Of(p)].move(time.Minute, change)
			if verdict := ask(t.Context(), s, p, "wa", "news").Verdict; verdict != gate.Go {
				t.Fatalf("person %d is held back by a list that isn't there: %v", n, verdict)
			}
			if verdict := ask(t.Context(), s, p, "wa", "default").Verdict; (verdict == gate.Skip) != (rest != nil) {
				t.Fatalf("person %d on Default: %v", n, verdict)
			}
		}
		if got := left(); len(got) > 0 {
			t.Errorf("%d are left", len(got))
		}
		if page, _, err := s.Entries(t.Context(), "acme", "news", optout.Search{}, "", 10); err != nil || len(page) > 0 {
			t.Errorf("pages show %v %v", page, err)
		}
	})
}

func TestWhoeverChangesAnAccountSeesIt(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		o := lead(t, s, testShards.Account("acme"), 1)
		for _, word := range []string{"a", "b", "c"} {
			o.move(time.Minute, shard.Change{Key: optout.AccountKey("acme"), New: account(t, word)})
			if got, err := s.Account(t.Context(), "acme"); err != nil || got.Lists[0].Keywords[0] != word {
				t.Fatalf("%s is not seen: %+v %v", word, got.Lists, err)
			}
		}
	})
}
