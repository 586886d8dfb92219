package store_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
)

// Pages of all sizes are answered as single questions are, whatever stands beside what in a page.
func TestAPageIsAnsweredAsItsQuestionsAre(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		const people, away = 6_000, 3 // a shard that nobody owns
		chance := rand.New(rand.NewPCG(5, 6))
		some := func(of ...string) string { return of[chance.IntN(len(of))] }
		type standing struct {
			list, channel string
			barred        bool
		}
		known := map[chat.Pseudonym]standing{}
		changes := make([][]shard.Change, testShards)
		var who []chat.Pseudonym
		for n := range people {
			stands := standing{some("default", "offers", gate.Blacklist), some("wa", "wb", chat.AnyChannel), chance.IntN(3) > 0}
			p, change := person(n, stands.list, stands.channel, stands.barred)
			known[p], who = stands, append(who, p)
			changes[testShards.Of(p)] = append(changes[testShards.Of(p)], change)
		}
		for at := range int(testShards) {
			if at != away {
				lead(t, s, at, 1).move(time.Minute, changes[at]...)
			}
		}
		for _, page := range []int{1, 2, 100, 1_999, 2_000, 5_500} {
			var questions []gate.Question
			for range page {
				questions = append(questions, gate.Question{
					Account: some("acme", "acme", "other"), Channel: some("wa", "wb"), Pseudonym: who[chance.IntN(people)],
					Lists: [][]string{{"default"}, {gate.Blacklist, "default", "offers"}, {gate.Blacklist}, {gate.Blacklist, "offers"}, nil}[chance.IntN(5)],
				})
			}
			for i, got := range s.Ask(t.Context(), questions) {
				q := questions[i]
				stands := known[q.Pseudonym]
				want := gate.Answer{Verdict: gate.Go}
				if testShards.Of(q.Pseudonym) == away {
					want.Verdict = gate.Unknown
				} else if q.Account == "acme" && stands.barred && (stands.channel == q.Channel || stands.channel == chat.AnyChannel) {
					for _, list := range q.Lists {
						if list == stands.list {
							want = gate.Answer{Verdict: gate.Skip, List: list, Channel: stands.channel}
						}
					}
				}
				if got.Verdict != want.Verdict || got.List != want.List || got.Channel != want.Channel {
					t.Fatalf("question %d of %d, %s on %s of %v: %s (%s, %s), want %s (%s, %s)", i, page, q.Account, q.Channel, q.Lists,
						got.Verdict, got.List, got.Channel, want.Verdict, want.List, want.Channel)
				}
				if good := time.Until(got.Until); got.Verdict != gate.Unknown && good > gate.Good {
					t.Fatalf("an answer is good for %v", good)
				}
			}
		}
	})
}

// What is empty in a large page's first look may be one that is being loaded.
func TestNobodyOfALargePageIsAllowedBetweenAWipeAndTheReload(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		var changes []shard.Change
		var questions []gate.Question
		for n := 0; len(questions) < 700; n++ { // eleven in each set, so that sizes are asked first
			p, change := person(n, "default", "wa", true)
			if testShards.Of(p) == 0 {
				changes = append(changes, change)
				questions = append(questions, gate.Question{Account: "acme", Channel: "wa", Pseudonym: p, Lists: []string{"default"}})
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		seen := map[gate.Verdict]int{}
		var asker sync.WaitGroup
		asker.Go(func() {
			defer cancel()
			for n := 0; ctx.Err() == nil && (n < 100 || seen[gate.Skip] == 0 || seen[gate.Unknown] == 0); n++ {
				for _, answer := range s.Ask(context.WithoutCancel(ctx), questions) {
					seen[answer.Verdict]++
				}
			}
		})
		for generation := int64(1); ctx.Err() == nil; generation++ {
			wipe()
			o := lead1(t, s, 0, generation)
			o.move(0, changes...)
			o.move(time.Minute)
		}
		asker.Wait()
		if seen[gate.Go] > 0 || seen[gate.Skip] == 0 || seen[gate.Unknown] == 0 {
			t.Fatalf("answers: %v", seen)
		}
	})
}
