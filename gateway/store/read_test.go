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
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// filled leads all shards, with these people on Default for channel wa.
func filled(t *testing.T, s *store.Store, people int) []*owner {
	t.Helper()
	owners := make([]*owner, testShards)
	for at := range owners {
		owners[at] = lead(t, s, at, 1)
	}
	for n := range people {
		p, change := person(n, "default", "wa", true)
		owners[testShards.Of(p)].move(time.Minute, change)
	}
	return owners
}

// everybody pages through a list.
func everybody(t *testing.T, s *store.Store, search string, limit int) (shown []string) {
	t.Helper()
	for after := ""; ; {
		page, next, err := s.Entries(t.Context(), "acme", "default", optout.NewSearch(search, ""), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > limit || len(page) == 0 && next != "" {
			t.Fatalf("a page of %d, limit %d, next %q", len(page), limit, next)
		}
		for _, l := range page {
			if l.Channel != "wa" || l.Source != "message" || l.Since.IsZero() {
				t.Fatalf("%+v", l)
			}
			shown = append(shown, l.Who.Shown())
		}
		if after = next; next == "" {
			return shown
		}
	}
}

func TestAListIsPagedAndSearched(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		owners := filled(t, s, 130)
		for _, limit := range []int{1, 7, 1000} {
			shown := everybody(t, s, "", limit)
			slices.Sort(shown)
			if len(slices.Compact(shown)) != 130 || shown[129] != "+447700900129" {
				t.Errorf("pages of %d: %d people", limit, len(shown))
			}
		}
		if found := everybody(t, s, "90012", 3); len(found) != 10 || !strings.Contains(found[0], "90012") {
			t.Errorf("found %v", found)
		}
		p, back := person(5, "default", "wa", false)
		owners[testShards.Of(p)].move(time.Minute, back)
		q, gone := person(6, "default", "wa", true)
		owners[testShards.Of(q)].move(time.Minute, shard.Change{Key: gone.Key, Old: gone.New})
		if left := everybody(t, s, "", 50); len(left) != 128 || slices.Contains(left, "+447700900005") || slices.Contains(left, "+447700900006") {
			t.Errorf("%d are left", len(left))
		}
		if _, _, err := s.Entries(t.Context(), "acme", "default", optout.Search{}, "nonsense!", 10); err == nil {
			t.Error("a cursor that nobody gave is taken")
		}
	})
}

func account(t *testing.T, words ...string) []byte {
	t.Helper()
	state, err := json.Marshal(optout.Account{V: 1, ID: "acme", Key: testKey, Lists: []optout.List{
		{ID: "default", Keywords: words, OptinKeywords: []string{"start"}, Channels: []string{"*"}}, {ID: "news", Keywords: []string{"Stop"}, Channels: []string{"*"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestAnAccountIsReadAtMostASecondLate(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		at := testShards.Account("acme")
		if _, err := s.Lexicon(t.Context(), "acme"); fault.KindOf(err) != fault.NotCertain {
			t.Errorf("without an owner: %v", err)
		}
		o := lead(t, s, at, 1)
		if _, err := s.Lexicon(t.Context(), "acme"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("never declared: %v", err)
		}
		before := account(t, "STOP", "Arrêt")
		o.move(time.Minute, shard.Change{Key: optout.AccountKey("acme"), New: before})
		hears := func(l *optout.Lexicon, word string) bool {
			heard, out := l.Hear("wa", []string{word})
			return len(heard) > 0 && out
		}
		first, err := s.Lexicon(t.Context(), "acme")
		if err != nil || !hears(first, "stop") || !hears(first, "arret") || hears(first, "basta") {
			t.Fatalf("%+v, %v", first, err)
		}
		if again, err := s.Lexicon(t.Context(), "acme"); err != nil || again != first {
			t.Errorf("an account that was just read is read again: %v", err)
		}
		o.move(time.Minute, shard.Change{Key: optout.AccountKey("acme"), Old: before, New: account(t, "basta")})
		again, late := time.NewTicker(20*time.Millisecond), time.After(10*time.Second)
		defer again.Stop()
		for l := first; !hears(l, "basta") || hears(l, "arret") || l.Revision == first.Revision; {
			select {
			case <-again.C:
			case <-late:
				t.Fatalf("a change is not seen: %+v", l.Account)
			}
			if l, err = s.Lexicon(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
		}
		if a, err := s.Account(t.Context(), "acme"); err != nil || len(a.Lists) != 2 {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestAnAnswerIsThereOnceTheShardHasComePast(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		o := lead(t, s, 2, 1)
		cursor := func(next int64) shard.Change {
			return shard.Change{Key: shard.CursorKey, New: fmt.Appendf(nil, `{"v":1,"command":%d}`, next)}
		}
		o.move(time.Minute, cursor(5))
		if _, ok, err := s.Answer(t.Context(), 2, 5, "c1"); ok || err != nil {
			t.Errorf("too early: %v, %v", ok, err)
		}
		o.move(time.Minute, cursor(6), shard.Change{Key: shard.AnswerKey("c1"), New: []byte(`{"v":1,"ok":true,"value":"yes"}`)})
		if a, ok, err := s.Answer(t.Context(), 2, 5, "c1"); !ok || err != nil || a == nil || !a.OK || a.Value != "yes" {
			t.Errorf("%+v, %v, %v", a, ok, err)
		}
		if a, ok, err := s.Answer(t.Context(), 2, 5, "silent"); !ok || err != nil || a != nil {
			t.Errorf("a command that says nothing: %+v, %v, %v", a, ok, err)
		}
	})
}

func TestOldAnswersAreFound(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		o := lead(t, s, 2, 1)
		answer := func(id string, made int64) shard.Change {
			return shard.Change{Key: shard.AnswerKey(id), New: fmt.Appendf(nil, `{"v":1,"ok":true,"made":%d}`, made)}
		}
		o.move(time.Minute, answer("declare/acme/1", 1000), answer("young", 3000), shard.Change{Key: shard.CursorKey, New: []byte(`{"v":1}`)})
		old, err := s.OldAnswers(t.Context(), 2, time.UnixMilli(2000))
		if err != nil || len(old) != 1 || old[0] != "declare/acme/1" {
			t.Errorf("%v, %v", old, err)
		}
	})
}
