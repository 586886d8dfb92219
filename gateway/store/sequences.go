package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/sequence"
)

// Sequences gives a shard's sequences that are not forgotten, and of each a text that is another with every change of it;
// fault.NotCertain where the view may be behind.
func (s *Store) Sequences(ctx context.Context, shard int) (map[sequence.Ref]string, error) {
	var read *redis.MapStringStringCmd
	certain := s.sandwich(ctx, []int{shard}, func(pipe redis.Pipeliner) {
		read = pipe.HGetAll(ctx, s.key(shard, keySequences))
	})
	if err := read.Err(); err != nil {
		return nil, uncertain(fmt.Errorf("read the sequences of shard %d: %w", shard, err))
	}
	if !certain[shard] {
		return nil, uncertain(fmt.Errorf("shard %d has no lease", shard))
	}
	all := make(map[sequence.Ref]string, len(read.Val()))
	for name, stamp := range read.Val() {
		if ref, ok := sequence.ParseRef(name); ok {
			all[ref] = stamp
		}
	}
	return all, nil
}

// Sequence reads a sequence and its sums; nil where there is none.
func (s *Store) Sequence(ctx context.Context, r sequence.Ref) (*sequence.Sequence, *sequence.Sums, error) {
	states, err := s.States(ctx, r.Shard(s.shards), r.Key(), r.SumsKey())
	if err != nil || states[0] == nil || states[1] == nil {
		return nil, nil, err
	}
	q, sums := &sequence.Sequence{}, &sequence.Sums{}
	if err := json.Unmarshal(states[0], q); err != nil {
		return nil, nil, fmt.Errorf("read a sequence: %w", err)
	}
	if err := json.Unmarshal(states[1], sums); err != nil {
		return nil, nil, fmt.Errorf("read the sums of a sequence: %w", err)
	}
	return q, sums, nil
}

// SequencesOf gives the names of an account's sequences, the newest first, from the one after the cursor on. next is the cursor of
// what follows, "" at the end. An account's sequences lie in all shards, and every one must be certain.
func (s *Store) SequencesOf(ctx context.Context, account, after string, limit int) (page []sequence.Ref, next string, err error) {
	members, next, err := s.newest(ctx, []string{sequencesName(account)}, after, limit)
	for _, member := range members {
		_, id, _ := strings.Cut(member, "/")
		page = append(page, sequence.Ref{Account: account, ID: id})
	}
	return page, next, err
}

// Subscriber reads one person's subscription; nil where there is none.
func (s *Store) Subscriber(ctx context.Context, r sequence.Ref, key string) (*sequence.Subscriber, error) {
	states, err := s.States(ctx, r.Shard(s.shards), key)
	if err != nil || states[0] == nil {
		return nil, err
	}
	one := &sequence.Subscriber{}
	if err := json.Unmarshal(states[0], one); err != nil {
		return nil, fmt.Errorf("read a subscriber: %w", err)
	}
	return one, nil
}

// DueSubscribers gives people of a sequence for whom something is to be done by a time, in ms since 1970, the earliest first.
func (s *Store) DueSubscribers(ctx context.Context, r sequence.Ref, until int64, limit int) ([]sequence.Subscriber, error) {
	return s.subscribers(ctx, r, func(pipe redis.Pipeliner, shard int) *redis.StringSliceCmd {
		return pipe.ZRangeByScore(ctx, s.key(shard, stepsName(r)), &redis.ZRangeBy{
			Min: "-inf", Max: strconv.FormatInt(until, 10), Count: int64(limit),
		})
	})
}

// Subscribers pages through a sequence's people in the order of their subscribing. after and next are places, "" at the ends.
func (s *Store) Subscribers(ctx context.Context, r sequence.Ref, after string, limit int) (page []sequence.Subscriber, next string, err error) {
	lowest := "-"
	if after != "" {
		lowest = "(" + after
	}
	page, err = s.subscribers(ctx, r, func(pipe redis.Pipeliner, shard int) *redis.StringSliceCmd {
		return pipe.ZRangeByLex(ctx, s.key(shard, subscribersName(r)), &redis.ZRangeBy{Min: lowest, Max: "+", Count: int64(limit) + 1})
	})
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].Place()
	}
	return page, next, err
}

// subscribers reads the people that a sorted set names, whose members end with pseudonyms. Who was forgotten in between is left
// out; a place that somebody no longer has is one of the same person.
func (s *Store) subscribers(ctx context.Context, r sequence.Ref, find func(pipe redis.Pipeliner, shard int) *redis.StringSliceCmd) (all []sequence.Subscriber, err error) {
	shard := r.Shard(s.shards)
	var found *redis.StringSliceCmd
	certain := s.sandwich(ctx, []int{shard}, func(pipe redis.Pipeliner) { found = find(pipe, shard) })
	if err := found.Err(); err != nil {
		return nil, uncertain(fmt.Errorf("look for subscribers: %w", err))
	}
	if !certain[shard] {
		return nil, uncertain(fmt.Errorf("shard %d has no lease", shard))
	}
	if len(found.Val()) == 0 {
		return nil, nil
	}
	keys := make([]string, len(found.Val()))
	for i, member := range found.Val() {
		keys[i] = "subscriber/" + r.String() + "/" + member[strings.LastIndexByte(member, '/')+1:]
	}
	states, err := s.States(ctx, shard, keys...)
	if err != nil {
		return nil, err
	}
	for _, raw := range states {
		if raw == nil {
			continue
		}
		var one sequence.Subscriber
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, fmt.Errorf("read a subscriber: %w", err)
		}
		all = append(all, one)
	}
	return all, nil
}
