package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

const (
	explainAtOnce = 1000                   // people asked about in one pipeline
	explainTime   = 100 * time.Millisecond // that explanations may take, so that those who may go are asked about once: what isn't explained then is told without
)

// Explain adds its cause to each answer that is a Skip, as far as the people's states can be read now. It asks once for
// all of them and changes no verdict: whoever is on a list stays skipped, explained or not.
func (s *Store) Explain(ctx context.Context, questions []gate.Question, answers []gate.Answer) {
	ctx, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	names := listNames{}
	skipped := make([]int, 0, explainAtOnce)
	for i := range min(len(questions), len(answers)) {
		if answers[i].Verdict == gate.Skip {
			skipped = append(skipped, i)
		}
		if len(skipped) == explainAtOnce {
			s.explain(ctx, questions, answers, skipped, names)
			skipped = skipped[:0]
		}
	}
	if len(skipped) > 0 {
		s.explain(ctx, questions, answers, skipped, names)
	}
}

// explain explains some answers. Those of one shard are one HMGET.
func (s *Store) explain(ctx context.Context, questions []gate.Question, answers []gate.Answer, some []int, names listNames) {
	if ctx.Err() != nil {
		return
	}
	asked, keys := map[int][]int{}, map[int][]string{}
	for _, i := range some {
		q := questions[i]
		at := s.shards.Of(q.Pseudonym)
		asked[at], keys[at] = append(asked[at], i), append(keys[at], optout.PersonKey(q.Account, q.Pseudonym))
	}
	said := map[int]*redis.SliceCmd{}
	pipe := s.asks.Pipeline()
	for at := range asked {
		said[at] = pipe.HMGet(ctx, s.key(at, keyStates), keys[at]...)
	}
	_, _ = pipe.Exec(ctx) // each command's own error is looked at
	for at, indexes := range asked {
		if said[at].Err() != nil {
			continue
		}
		for n, state := range values(said[at].Val()) {
			a := &answers[indexes[n]]
			var p optout.Person
			if state == nil || json.Unmarshal(state, &p) != nil {
				continue
			}
			a.Cause = p.Cause(a.List, a.Channel, names.of(ctx, s, questions[indexes[n]].Account, a.List))
		}
	}
}

// listNames are the names of lists, for people, by account and id: each is looked up once.
type listNames map[[2]string]string

// of gives a list's name; "" where it can't be read.
func (n listNames) of(ctx context.Context, s *Store, account, list string) string {
	name, known := n[[2]string{account, list}]
	if !known && list != gate.Blacklist { // which every account calls alike
		if a, err := s.Account(ctx, account); err == nil {
			l, _ := a.List(list)
			name = l.Name
		}
		n[[2]string{account, list}] = name
	}
	return name
}
