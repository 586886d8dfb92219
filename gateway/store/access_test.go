package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/access"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
)

func tokens(t *testing.T, names ...string) []byte {
	t.Helper()
	all := access.Tokens{V: 1}
	for _, name := range names {
		all.Tokens = append(all.Tokens, access.Token{ID: "tok_" + name, Name: name})
	}
	state, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestTokensAreAsOldAsTheirReaderAllows(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		f := func(since time.Time, want ...string) {
			t.Helper()
			all, err := s.Tokens(t.Context(), "acme", since)
			var names []string
			for _, one := range all.Tokens {
				names = append(names, one.Name)
			}
			if err != nil || !slices.Equal(names, want) {
				t.Errorf("%v, not %v: %v", names, want, err)
			}
		}
		began := time.Now()
		if _, err := s.Tokens(t.Context(), "acme", began); fault.KindOf(err) != fault.NotCertain {
			t.Errorf("without an owner: %v", err)
		}
		o := lead(t, s, testShards.Account("acme"), 1)
		f(began) // what failed before is no answer to who comes later
		o.move(time.Minute, shard.Change{Key: access.TokensKey("acme"), New: tokens(t, "a")})
		f(began)
		f(time.Now(), "a")
		o.move(time.Minute, shard.Change{Key: access.TokensKey("acme"), New: tokens(t, "a", "b")})
		f(began, "a")
		f(time.Now(), "a", "b")
		o.move(time.Minute, shard.Change{Key: access.TokensKey("acme")})
		f(time.Now())
		wipe()
		if _, err := s.Tokens(t.Context(), "acme", time.Now()); fault.KindOf(err) != fault.NotCertain {
			t.Errorf("after a wipe: %v", err)
		}
	})
}

func TestTokensAreReadForManyAtOnce(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		lead(t, s, testShards.Account("acme"), 1).move(time.Minute, shard.Change{Key: access.TokensKey("acme"), New: tokens(t, "a")})
		done := make(chan error)
		for range 200 {
			go func() {
				all, err := s.Tokens(t.Context(), "acme", time.Now())
				if err == nil && len(all.Tokens) != 1 {
					err = fmt.Errorf("%d tokens", len(all.Tokens))
				}
				done <- err
			}()
		}
		for range 200 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func entry(t *testing.T, account string, at, offset int64) shard.Change {
	t.Helper()
	state, err := json.Marshal(access.Entry{V: 1, At: at, Token: account, Route: fmt.Sprint(offset)})
	if err != nil {
		t.Fatal(err)
	}
	return shard.Change{Key: access.AuditKey(account, access.Place(at, offset)), New: state}
}

func TestAnAuditIsPagedFromTheNewestEntryOn(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		at := testShards.Account("acme")
		other := "acme2"
		for n := 0; testShards.Account(other) != at; n++ {
			other = fmt.Sprint("other", n)
		}
		changes := []shard.Change{entry(t, other, 3000, 50)}
		var want []string
		for n := range int64(25) {
			changes = append(changes, entry(t, "acme", 1000*(n/2), n))
			want = append(want, fmt.Sprint(n))
		}
		slices.Reverse(want)
		f := func(since int64, limit int, want []string) {
			t.Helper()
			var shown []string
			from := time.Time{}
			if since > 0 {
				from = time.UnixMilli(since)
			}
			for after, more := "", true; more; more = after != "" {
				page, next, err := s.Audit(t.Context(), "acme", from, after, limit)
				if err != nil || len(page) > limit || len(page) == 0 && next != "" {
					t.Fatalf("%d entries, next %q: %v", len(page), next, err)
				}
				for _, e := range page {
					shown = append(shown, e.Route)
					if e.Token != "acme" {
						t.Errorf("another account's: %+v", e)
					}
				}
				after = next
			}
			if !slices.Equal(shown, want) {
				t.Errorf("since %d, by %d: %v, not %v", since, limit, shown, want)
			}
		}
		if _, _, err := s.Audit(t.Context(), "acme", time.Time{}, "", 10); fault.KindOf(err) != fault.NotCertain {
			t.Errorf("without an owner: %v", err)
		}
		lead(t, s, at, 1).move(time.Minute, changes...)
		for _, limit := range []int{1, 7, 25, 1000} {
			f(0, limit, want)
		}
		f(10_000, 2, want[:5]) // 24, 23, …, 20
		f(10_001, 2, want[:3])
		f(90_000, 2, nil)

		old, err := s.OldAudit(t.Context(), at, time.UnixMilli(2000))
		if err != nil || len(old) != 4 || old[0] != changes[1].Key {
			t.Fatalf("old: %q, %v", old, err)
		}
		wipe()
		o := lead(t, s, at, 2)
		o.move(time.Minute, changes...)
		f(0, 7, want)
		for _, key := range old {
			o.move(time.Minute, shard.Change{Key: key})
		}
		f(0, 7, want[:21])
		if old, err := s.OldAudit(t.Context(), at, time.UnixMilli(2000)); err != nil || len(old) != 0 {
			t.Errorf("forgotten and still old: %q, %v", old, err)
		}
		if all, err := s.OldAudit(t.Context(), at, time.Now()); err != nil || len(all) != 22 {
			t.Errorf("all: %d, %v", len(all), err)
		}
	})
}
