package store_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"optgate/gateway/store"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
)

// count says that these are all people whom a portfolio has reached.
func count(t *testing.T, s *store.Store, token string, people map[chat.Pseudonym]time.Time) {
	t.Helper()
	if began, err := s.BeginTier(t.Context(), "acme", "p", token); err != nil || !began {
		t.Fatalf("began %v: %v", began, err)
	}
	if again, err := s.BeginTier(t.Context(), "acme", "p", "other"); err != nil || again {
		t.Errorf("two count anew: %v", err)
	}
	if err := s.LoadTier(t.Context(), "acme", "p", token, people); err != nil {
		t.Fatal(err)
	}
	if err := s.EndTier(t.Context(), "acme", "p", token); err != nil {
		t.Fatal(err)
	}
	if again, err := s.BeginTier(t.Context(), "acme", "p", "other"); err != nil || again {
		t.Errorf("what is whole is counted anew: %v", err)
	}
}

func taken(t *testing.T, s *store.Store, limit int, people ...chat.Pseudonym) channel.Counted {
	t.Helper()
	got, err := s.TakeTier(t.Context(), "acme", "p", limit, people)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestATierGivesNoPlaceTooManyOverAllReplicas(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		if got := taken(t, s, 250, 1); got.Mark != "" {
			t.Fatalf("somebody is counted before the past was: %+v", got)
		}
		count(t, s, "first", nil)
		var mu sync.Mutex
		given := map[chat.Pseudonym]bool{}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for range 60 {
					people := make([]chat.Pseudonym, 10)
					for i := range people {
						people[i] = chat.Pseudonym(rand.Int64N(2000))
					}
					got, err := s.TakeTier(t.Context(), "acme", "p", 250, people)
					if err != nil || got.Mark != "first" {
						t.Errorf("%q, %v", got.Mark, err)
						return
					}
					for i, p := range got.Places {
						mu.Lock()
						given[people[i]] = given[people[i]] || p.Given
						mu.Unlock()
						if !p.Given && (p.Retry < 23*time.Hour || p.Retry > channel.Counting) {
							t.Errorf("again in %v", p.Retry)
						}
					}
				}
			})
		}
		all.Wait()
		n := 0
		for _, is := range given {
			if is {
				n++
			}
		}
		if n != 250 {
			t.Errorf("%d people have a place", n)
		}
	})
}

func TestAPlaceIsGivenBackToNobodyElsesCost(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		count(t, s, "first", nil)
		got := taken(t, s, 2, 1, 1, 2)
		if err := s.GiveBackTier(t.Context(), "acme", "p", got.Places[:1]); err != nil {
			t.Fatal(err)
		}
		if next := taken(t, s, 2, 3); next.Places[0].Given {
			t.Error("the other message to the same person lost its place")
		}
		if err := s.GiveBackTier(t.Context(), "acme", "p", got.Places[2:]); err != nil {
			t.Fatal(err)
		}
		if next := taken(t, s, 2, 3, 4, 1); !next.Places[0].Given || next.Places[1].Given || !next.Places[2].Given {
			t.Errorf("after one was given back: %+v", next.Places)
		}
	})
}

func TestAPlaceIsFreeAfterADay(t *testing.T) {
	server := miniredis.RunT(t)
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "x.", Shards: 2})
	t.Cleanup(func() { _ = s.Close() })
	now := time.Now()
	server.SetTime(now)
	count(t, s, "first", map[chat.Pseudonym]time.Time{7: now.Add(-23 * time.Hour)})
	got := taken(t, s, 2, 8, 9, 10)
	if !got.Places[0].Given || got.Places[1].Given || got.Places[1].Retry > time.Hour+3*time.Minute || got.Places[2].Retry < 23*time.Hour {
		t.Errorf("%+v", got.Places)
	}
	server.SetTime(now.Add(90 * time.Minute))
	if next := taken(t, s, 2, 9); !next.Places[0].Given {
		t.Errorf("an hour and a half later: %+v", next.Places)
	}
	server.SetTime(now.Add(20 * time.Hour))
	if again := taken(t, s, 2, 8); !again.Places[0].Given {
		t.Error("who is counted must not wait")
	}
	server.SetTime(now.Add(27 * time.Hour))
	if next := taken(t, s, 1, 11); next.Places[0].Given {
		t.Error("who was reached again counts from then on")
	}
}

func TestAMemoryThatWasLostWhileItWasFilledCountsNobody(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		if began, err := s.BeginTier(t.Context(), "acme", "p", "first"); err != nil || !began {
			t.Fatal(began, err)
		}
		if err := s.LoadTier(t.Context(), "acme", "p", "first", map[chat.Pseudonym]time.Time{1: time.Now()}); err != nil {
			t.Fatal(err)
		}
		wipe()
		if s.LoadTier(t.Context(), "acme", "p", "first", nil) == nil || s.EndTier(t.Context(), "acme", "p", "first") == nil {
			t.Error("half a memory passes for a whole one")
		}
		count(t, s, "second", nil)
		if stands, err := s.TierStands(t.Context(), "acme", "p", "first"); err != nil || stands {
			t.Errorf("the old one stands: %v", err)
		}
		if stands, err := s.TierStands(t.Context(), "acme", "p", "second"); err != nil || !stands {
			t.Errorf("the new one doesn't: %v", err)
		}
	})
}
