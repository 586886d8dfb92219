package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// CountMembers counts the identifiers that an account's list holds on any channel, and those of them that no other list of the
// account holds. It looks at one small set after another, so that memory doesn't grow with the list, and refuses with
// fault.NotCertain where the view may be behind.
func (s *Store) CountMembers(ctx context.Context, account optout.Account, list string) (entries, alone int, err error) {
	var others []string
	for _, l := range account.Lists {
		if l.ID != list {
			others = append(others, l.ID)
		}
	}
	for at := range int(s.shards) {
		for subset := range chat.Subsets {
			on, only, err := s.countSubset(ctx, account, list, others, at, subset)
			if err != nil {
				return 0, 0, err
			}
			entries, alone = entries+on, alone+only
		}
	}
	return entries, alone, nil
}

func (s *Store) countSubset(ctx context.Context, account optout.Account, list string, others []string, at, subset int) (on, only int, err error) {
	own := s.setsOf(account, at, subset, list)
	var members *redis.StringSliceCmd
	differing := make([]*redis.StringSliceCmd, len(own))
	elsewhere := s.setsOf(account, at, subset, others...)
	certain := s.sandwich(ctx, []int{at}, func(pipe redis.Pipeliner) {
		members = pipe.SUnion(ctx, own...)
		for i, set := range own {
			differing[i] = pipe.SDiff(ctx, append([]string{set}, elsewhere...)...)
		}
	})
	if err := members.Err(); err != nil {
		return 0, 0, uncertain(fmt.Errorf("count a list: %w", err))
	}
	if !certain[at] {
		return 0, 0, uncertain(fmt.Errorf("shard %d has no lease", at))
	}
	alone := map[string]bool{}
	for _, d := range differing {
		if err := d.Err(); err != nil {
			return 0, 0, uncertain(fmt.Errorf("count a list: %w", err))
		}
		for _, who := range d.Val() {
			alone[who] = true
		}
	}
	return len(members.Val()), len(alone), nil
}

// setsOf names the sets of lists on every channel that the account ever had, in one subset of a shard.
func (s *Store) setsOf(account optout.Account, at, subset int, lists ...string) []string {
	channels := append(slices.Sorted(maps.Keys(account.Numbers)), chat.AnyChannel)
	sets := make([]string, 0, len(lists)*len(channels))
	for _, list := range lists {
		for _, channel := range channels {
			sets = append(sets, s.key(at, setName(account.ID, list, channel, subset)))
		}
	}
	return sets
}

// Left gives each person of a shard who still is in a set of a list, some at a time; none where it is empty, at the cost of
// one question. each is called until there are no more or it fails.
func (s *Store) Left(ctx context.Context, at int, account optout.Account, list string, each func(some []chat.Pseudonym) error) error {
	var sets []string
	for subset := range chat.Subsets {
		sets = append(sets, s.setsOf(account, at, subset, list)...)
	}
	there := make([]*redis.IntCmd, len(sets))
	pipe := s.rdb.Pipeline()
	for i, set := range sets {
		there[i] = pipe.Exists(ctx, set)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("look for what is left of a list: %w", err)
	}
	for i, set := range sets {
		if there[i].Val() == 0 {
			continue
		}
		for cursor := uint64(0); ; {
			members, next, err := s.rdb.SScan(ctx, set, cursor, "", pageScan).Result()
			if err != nil {
				return fmt.Errorf("read what is left of a list: %w", err)
			}
			if err := each(pseudonyms(members)); err != nil {
				return err
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
	}
	return nil
}

func pseudonyms(members []string) []chat.Pseudonym {
	all := make([]chat.Pseudonym, 0, len(members))
	for _, text := range members {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			all = append(all, chat.Pseudonym(n))
		}
	}
	return all
}
