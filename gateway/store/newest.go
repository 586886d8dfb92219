package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// newest pages through members of sorted sets that stand in every shard under the same names, the last ones first, from the
// one after the cursor on. next is the cursor of what follows, "" at the end. Every shard must be certain.
func (s *Store) newest(ctx context.Context, names []string, after string, limit int) (members []string, next string, err error) {
	highest := "+"
	if after != "" {
		highest = "(" + after
	}
	all := make([]int, s.shards)
	for i := range all {
		all[i] = i
	}
	var reads []*redis.StringSliceCmd
	certain := s.sandwich(ctx, all, func(pipe redis.Pipeliner) {
		for i := range all {
			for _, name := range names {
				reads = append(reads, pipe.ZRevRangeByLex(ctx, s.key(i, name), &redis.ZRangeBy{Min: "-", Max: highest, Count: int64(limit) + 1}))
			}
		}
	})
	for i, read := range reads {
		if err := read.Err(); err != nil {
			return nil, "", uncertain(fmt.Errorf("read a page: %w", err))
		}
		if shard := i / len(names); !certain[shard] {
			return nil, "", uncertain(fmt.Errorf("shard %d has no lease", shard))
		}
		members = append(members, read.Val()...)
	}
	slices.SortFunc(members, func(a, b string) int { return strings.Compare(b, a) })
	if len(members) > limit {
		members = members[:limit]
		next = members[limit-1]
	}
	return members, next, nil
}
