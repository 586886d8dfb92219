package store_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// explained asks the gate about people on Default and has its answers explained.
func explained(t *testing.T, s *store.Store, people ...chat.Pseudonym) []gate.Answer {
	t.Helper()
	var questions []gate.Question
	for _, p := range people {
		questions = append(questions, gate.Question{Account: "acme", Channel: "wa", Pseudonym: p, Lists: []string{"default"}})
	}
	answers := s.Ask(t.Context(), questions)
	s.Explain(t.Context(), questions, answers)
	return answers
}

func TestSkipsAreExplainedByTheirStates(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		owners := filled(t, s, 3)
		owners[testShards.Account("acme")].move(time.Minute, shard.Change{Key: optout.AccountKey("acme"), New: account(t, "stop")})
		p, _ := person(1, "default", "wa", true)
		other, _ := person(2, "default", "wa", true)
		state, err := json.Marshal(optout.Person{V: 1, Links: []optout.Link{{P: other, Since: 1_000, By: "webhook"}},
			Entries: []optout.Entry{{List: "default", Channel: "wa", Out: 2_000, Source: "message", Rule: "stop", Via: other}}})
		if err != nil {
			t.Fatal(err)
		}
		linked := testKey.Pseudonym("bsuid:GB.1")
		owners[testShards.Of(linked)].move(time.Minute, shard.Change{Key: optout.PersonKey("acme", linked), New: state})
		stranger := testKey.Pseudonym("phone:447700900999")

		answers := explained(t, s, p, stranger, linked)
		if c := answers[0].Cause; c == nil || c.Source != "message" || !c.Since.Equal(time.UnixMilli(1_794_300_000_000)) || c.Link != nil {
			t.Errorf("%+v", c)
		}
		if answers[1].Verdict != gate.Go || answers[1].Cause != nil {
			t.Errorf("who goes: %+v", answers[1])
		}
		if c := answers[2].Cause; c == nil || c.Rule != "stop" || c.Link == nil || c.Link.From != other || c.Link.By != "webhook" || !c.Link.Since.Equal(time.UnixMilli(1_000)) {
			t.Errorf("%+v", c)
		}

		questions := []gate.Question{{Account: "acme", Channel: "wa", Pseudonym: p}}
		answers = []gate.Answer{{Verdict: gate.Skip, List: "default", Channel: "wa"}}
		wipe()
		s.Explain(t.Context(), questions, answers)
		if answers[0].Verdict != gate.Skip || answers[0].Cause != nil || optout.Reason(answers[0]) != "On the list default for channel wa." {
			t.Errorf("after a wipe: %+v", answers[0])
		}
	})
}

// BenchmarkExplain asks about a page of 10,000 people who all are skipped, and has the answers explained; with
// OPTGATE_TEST_REDIS on that Redis.
func BenchmarkExplain(b *testing.B) {
	address := os.Getenv("OPTGATE_TEST_REDIS")
	if address == "" {
		address = memory(b).Addr()
	}
	s := store.Open(store.Config{Addresses: []string{address}, Prefix: fmt.Sprintf("bench%d.", time.Now().UnixNano()), Shards: testShards})
	defer func() { _ = s.Close() }()
	const people = 10_000
	changes := map[int][]shard.Change{}
	var questions []gate.Question
	for n := range people {
		p, c := person(n, "default", "wa", true)
		changes[testShards.Of(p)] = append(changes[testShards.Of(p)], c)
		questions = append(questions, gate.Question{Account: "acme", Channel: "wa", Pseudonym: p, Lists: []string{"default", "meta"}})
	}
	for at, some := range changes {
		v := s.View(at)
		begun, next := shard.Position{Generation: 1}, shard.Position{Generation: 1, Next: 1, Whole: true}
		if err := v.Begin(b.Context(), shard.Position{}, begun); err != nil {
			b.Fatal(err)
		}
		if _, err := v.Apply(b.Context(), begun, next, some, time.Now().Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	var answers []gate.Answer
	b.Run("ask", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			answers = s.Ask(b.Context(), questions)
		}
	})
	b.Run("explain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Explain(b.Context(), questions, answers)
		}
	})
	for _, a := range answers {
		if a.Verdict != gate.Skip || a.Cause == nil {
			b.Fatalf("%+v", a)
		}
	}
}
