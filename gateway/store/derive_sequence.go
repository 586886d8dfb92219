package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/sequence"
)

// deriveSequence keeps the sequences that a runner must know, and each account's list of those that exist.
func deriveSequence(ops []op, key string, old, state []byte) []op {
	ref, ok := sequence.ParseRef(strings.TrimPrefix(key, "sequence/"))
	if !ok {
		return ops // nobody but sequence.Ref makes such keys
	}
	var q sequence.Sequence
	if state == nil || json.Unmarshal(state, &q) != nil {
		ops = append(ops, op{verb: hDel, name: keySequences, member: ref.String()})
		if json.Unmarshal(old, &q) == nil {
			ops = append(ops, op{verb: zRem, name: sequencesName(ref.Account), member: sequenceListed(q)})
		}
		return ops
	}
	stamp := fmt.Sprintf("%s:%d:%d:%d", q.Status, q.Version, q.Swept, q.Changed)
	return append(ops, op{verb: hSet, name: keySequences, member: ref.String(), value: stamp},
		op{verb: zAdd, name: sequencesName(ref.Account), member: sequenceListed(q)})
}

// sequenceListed is a sequence's place in its account's list: in the order of creation, then of ids.
func sequenceListed(q sequence.Sequence) string { return fmt.Sprintf("%013d/%s", q.Created, q.ID) }

// deriveSubscriber keeps a sequence's people in the order of their subscribing, and by when something is to be done for each.
func deriveSubscriber(ops []op, old, state []byte) []op {
	var before, now sequence.Subscriber
	was := old != nil && json.Unmarshal(old, &before) == nil
	is := state != nil && json.Unmarshal(state, &now) == nil
	if was && (!is || before.Place() != now.Place()) {
		ref := sequence.Ref{Account: before.Account, ID: before.Sequence}
		ops = append(ops, op{verb: zRem, name: subscribersName(ref), member: before.Place()})
		if !is {
			ops = append(ops, op{verb: zRem, name: stepsName(ref), member: before.P.String()})
		}
	}
	if !is {
		return ops
	}
	ref := sequence.Ref{Account: now.Account, ID: now.Sequence}
	return append(ops, op{verb: zAdd, name: subscribersName(ref), member: now.Place()},
		op{verb: zAdd, name: stepsName(ref), member: now.P.String(), value: strconv.FormatInt(now.Due, 10)})
}
