package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// askAtOnce bounds one pipeline to Redis, so that a large page doesn't hold up other clients.
const askAtOnce = 1000

// Ask answers the gate's questions, in their order. For each shard concerned the lease is asked before and after the
// memberships, in one pipeline to the master: only where both are there and equal has nobody wiped or replaced the view in
// between. Whatever else happens is Unknown.
func (s *Store) Ask(ctx context.Context, questions []gate.Question) []gate.Answer {
	answers := make([]gate.Answer, 0, len(questions))
	for len(questions) > 0 {
		n := min(len(questions), askAtOnce)
		answers = append(answers, s.ask(ctx, questions[:n])...)
		questions = questions[n:]
	}
	return answers
}

// memberships is one SMISMEMBER: the people of some questions in one set.
type memberships struct {
	shard   int
	list    string
	channel string
	people  []any
	asked   []int // indexes of the questions
	said    *redis.BoolSliceCmd
}

func (s *Store) ask(ctx context.Context, questions []gate.Question) []gate.Answer {
	type setKey struct {
		shard int
		name  string
	}
	var sets []*memberships
	byKey := map[setKey]*memberships{}
	shards := make([]int, len(questions))
	for i, q := range questions {
		shards[i] = s.shards.Of(q.Pseudonym)
		for _, list := range q.Lists {
			for _, channel := range [...]string{q.Channel, chat.AnyChannel} {
				name := setName(q.Account, list, channel, s.shards.Subset(q.Pseudonym))
				k := setKey{shards[i], name}
				m := byKey[k]
				if m == nil {
					m = &memberships{shard: shards[i], list: list, channel: channel}
					byKey[k] = m
					sets = append(sets, m)
				}
				m.people = append(m.people, int64(q.Pseudonym))
				m.asked = append(m.asked, i)
			}
		}
	}
	began := time.Now()
	leases := s.sandwich(ctx, shards, func(pipe redis.Pipeliner) {
		for k, m := range byKey {
			m.said = pipe.SMIsMember(ctx, s.key(k.shard, k.name), m.people...)
		}
	})
	answers := make([]gate.Answer, len(questions))
	for i := range questions {
		if leases[shards[i]] {
			answers[i] = gate.Answer{Verdict: gate.Go, Until: began.Add(gate.Good)}
		}
	}
	for _, m := range sets {
		said, err := m.said.Result()
		for n, i := range m.asked {
			switch {
			case err != nil || len(said) != len(m.people):
				answers[i] = gate.Answer{}
			case said[n] && answers[i].Verdict == gate.Go:
				answers[i].Verdict, answers[i].List, answers[i].Channel = gate.Skip, m.list, m.channel
			}
		}
	}
	return answers
}

// sandwich runs reads between two looks at the leases of the shards they touch, in one pipeline, and tells of which shards
// what was read can be relied on.
func (s *Store) sandwich(ctx context.Context, shards []int, reads func(redis.Pipeliner)) map[int]bool {
	pipe := s.asks.Pipeline()
	before, after := map[int]*redis.StringCmd{}, map[int]*redis.StringCmd{}
	for _, shard := range shards {
		if before[shard] == nil {
			before[shard] = pipe.Get(ctx, s.key(shard, keyLease))
		}
	}
	reads(pipe)
	for shard := range before {
		after[shard] = pipe.Get(ctx, s.key(shard, keyLease))
	}
	_, _ = pipe.Exec(ctx) // each command's own error is looked at
	certain := map[int]bool{}
	for shard, lease := range before {
		first, err1 := lease.Result()
		second, err2 := after[shard].Result()
		certain[shard] = err1 == nil && err2 == nil && first != "" && first == second
	}
	return certain
}
