package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/gateway/store"
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
		page, next, err := s.Entries(t.Context(), "acme", "default", search, after, limit)
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
		if _, _, err := s.Entries(t.Context(), "acme", "default", "", "nonsense!", 10); err == nil {
			t.Error("a cursor that nobody gave is taken")
		}
	})
}

func account(t *testing.T, words ...string) []byte {
	t.Helper()
	state, err := json.Marshal(optout.Account{V: 1, ID: "acme", Key: testKey, Lists: []optout.List{
		{ID: "default", Keywords: words, OptinKeywords: []string{"start"}}, {ID: "news", Keywords: []string{"Stop"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestKeywordsFollowTheLists(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		o := lead(t, s, testShards.Account("acme"), 1)
		before := account(t, "STOP", "Arrêt")
		o.move(time.Minute, shard.Change{Key: optout.AccountKey("acme"), New: before})
		asked := []string{"stop", "arret", "start", "hello"}
		found, err := s.Keywords(t.Context(), "acme", asked)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]optout.Match{"stop": {{List: "default"}, {List: "news"}}, "arret": {{List: "default"}}, "start": {{List: "default", Optin: true}}}
		if fmt.Sprint(found) != fmt.Sprint(want) {
			t.Errorf("%v, not %v", found, want)
		}
		o.move(time.Minute, shard.Change{Key: optout.AccountKey("acme"), Old: before, New: account(t, "basta")})
		if found, err = s.Keywords(t.Context(), "acme", append(asked, "basta")); err != nil || len(found["arret"]) != 0 || len(found["basta"]) != 1 || len(found["stop"]) != 1 {
			t.Errorf("after a change: %v, %v", found, err)
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
