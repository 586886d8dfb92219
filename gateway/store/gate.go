package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/gate"
)

const (
	askAtOnce   = 20_000 // memberships asked in one pipeline, so that a large page doesn't hold up other clients for long
	commandCost = 10     // of a command, in memberships
	askTogether = 2      // pipelines of one call on their way at once: Redis answers one while the other is written or read
	surveyFrom  = 8      // people asked about in each set from which it pays to ask first which sets there are at all
)

// Ask answers the gate's questions, in their order. For each shard concerned the lease is asked before and after the
// memberships, in one pipeline to the master: only where both are there and equal has nobody wiped or replaced the view in
// between. Whatever else happens is Unknown. The more questions of one account, channel and choice of lists come together,
// the less each costs: Redis is asked by set, and each set's people stand together.
func (s *Store) Ask(ctx context.Context, questions []gate.Question) []gate.Answer {
	answers := make([]gate.Answer, len(questions))
	var going sync.WaitGroup
	free := make(chan struct{}, askTogether)
	for some := range portions(s.huddles(questions)) {
		free <- struct{}{}
		going.Go(func() {
			defer func() { <-free }()
			s.ask(ctx, some, answers)
		})
	}
	going.Wait()
	return answers
}

// memberships is one SMISMEMBER.
type memberships struct {
	*huddle
	set  set
	said *redis.BoolSliceCmd
}

// ask answers the questions of some huddles. It writes nothing but their answers.
func (s *Store) ask(ctx context.Context, some []huddle, answers []gate.Answer) {
	began := time.Now()
	questions, huddles := 0, len(some)
	for i := range some {
		questions += len(some[i].people)
	}
	some = withBlocks(some)
	shards := make([]int, len(some))
	for i := range some {
		shards[i] = some[i].shard
	}
	shards = slices.Compact(shards)
	var known survey
	if questions >= surveyFrom*huddles {
		known = s.survey(ctx, shards, some)
	}
	var asked []memberships
	leases := s.between(ctx, shards, func(pipe redis.Pipeliner) {
		for i := range some {
			for n, set := range some[i].sets {
				if !known.empty(i, n) {
					asked = append(asked, memberships{&some[i], set, s.isMember(ctx, pipe, &some[i], set)})
				}
			}
		}
	})
	for i := range some {
		if some[i].beside {
			continue
		}
		if lease := leases[some[i].shard]; lease != "" && known.stands(some[i].shard, lease) {
			for _, at := range some[i].asked {
				answers[at] = gate.Answer{Verdict: gate.Go, Until: began.Add(gate.Good)}
			}
		}
	}
	for _, m := range asked {
		said, err := m.said.Result()
		for n, at := range m.asked {
			switch {
			case err != nil || len(said) != len(m.people):
				answers[at] = gate.Answer{}
			case said[n] && answers[at].Verdict == gate.Go:
				answers[at].Verdict, answers[at].List, answers[at].Channel = gate.Skip, m.set.list, m.set.channel
			}
		}
	}
}

// isMember asks which of a huddle's people are in a set. go-redis's own SMIsMember would copy them once more.
func (s *Store) isMember(ctx context.Context, pipe redis.Pipeliner, h *huddle, in set) *redis.BoolSliceCmd {
	command := make([]any, 2, 2+len(h.people))
	command[0], command[1] = "smismember", s.key(h.shard, in.name)
	for _, p := range h.people {
		command = append(command, p)
	}
	said := redis.NewBoolSliceCmd(ctx, command...)
	_ = pipe.Process(ctx, said) // into the pipeline
	return said
}

// survey is what was found out about some huddles' sets before their people are asked for. Most sets of most lists aren't
// there, above all those for all channels.
type survey struct {
	leases map[int]string
	sizes  [][]*redis.IntCmd // by huddle and set; nil: there was no survey
}

func (s *Store) survey(ctx context.Context, shards []int, some []huddle) survey {
	found := survey{sizes: make([][]*redis.IntCmd, len(some))}
	found.leases = s.between(ctx, shards, func(pipe redis.Pipeliner) {
		for i := range some {
			for _, set := range some[i].sets {
				found.sizes[i] = append(found.sizes[i], pipe.SCard(ctx, s.key(some[i].shard, set.name)))
			}
		}
	})
	return found
}

// empty says that nobody was in a set. Whoever came into it since is after the moment from which the answer counts.
func (v survey) empty(huddle, set int) bool {
	if v.sizes == nil {
		return false
	}
	size, err := v.sizes[huddle][set].Result()
	return err == nil && size == 0
}

// stands says that the view which was surveyed is the one that this lease belongs to.
func (v survey) stands(shard int, lease string) bool {
	return v.sizes == nil || v.leases[shard] == lease
}

// sandwich runs reads between two looks at the leases of the shards they touch, in one pipeline, and tells of which shards
// what was read can be relied on.
func (s *Store) sandwich(ctx context.Context, shards []int, reads func(redis.Pipeliner)) map[int]bool {
	certain := map[int]bool{}
	for shard, lease := range s.between(ctx, shards, reads) {
		certain[shard] = lease != ""
	}
	return certain
}

// between is sandwich, and gives the leases themselves: "" where they weren't there both times and equal.
func (s *Store) between(ctx context.Context, shards []int, reads func(redis.Pipeliner)) map[int]string {
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
	leases := map[int]string{}
	for shard, lease := range before {
		first, err1 := lease.Result()
		second, err2 := after[shard].Result()
		leases[shard] = ""
		if err1 == nil && err2 == nil && first == second {
			leases[shard] = first
		}
	}
	return leases
}
