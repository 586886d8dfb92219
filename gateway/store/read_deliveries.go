package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/fault"
	"optgate/pipeline/feed"
	"optgate/pipeline/optout"
)

// Feeds tells of the lists that have deliveries pending in a shard; fault.NotCertain where the view may be behind.
func (s *Store) Feeds(ctx context.Context, shard int) ([]feed.Waiting, error) {
	names, err := s.asks.SMembers(ctx, s.key(shard, keyFeeds)).Result()
	if err != nil {
		return nil, uncertain(fmt.Errorf("read the feeds of shard %d: %w", shard, err))
	}
	if len(names) == 0 {
		return nil, nil // where that was not certain, they are found at the next look
	}
	counts, firsts, oldest := make([]*redis.IntCmd, len(names)), make([]*redis.ZSliceCmd, len(names)), make([]*redis.StringSliceCmd, len(names))
	certain := s.sandwich(ctx, []int{shard}, func(pipe redis.Pipeliner) {
		for i, name := range names {
			list, _ := feed.ParseList(name)
			counts[i] = pipe.ZCard(ctx, s.key(shard, dueName(list)))
			firsts[i] = pipe.ZRangeWithScores(ctx, s.key(shard, dueName(list)), 0, 0)
			oldest[i] = pipe.ZRange(ctx, s.key(shard, deliveriesName(list, feed.Pending)), 0, 0)
		}
	})
	if !certain[shard] {
		return nil, uncertain(fmt.Errorf("shard %d has no lease", shard))
	}
	var waiting []feed.Waiting
	var idle []string
	for i, name := range names {
		list, ok := feed.ParseList(name)
		if ok && counts[i].Err() == nil && counts[i].Val() == 0 {
			idle = append(idle, name)
		}
		if first := firsts[i].Val(); ok && len(first) == 1 && len(oldest[i].Val()) == 1 {
			waiting = append(waiting, feed.Waiting{
				List: list, Count: int(counts[i].Val()), Next: time.UnixMilli(int64(first[0].Score)), Oldest: madeOf(oldest[i].Val()[0]),
			})
		}
	}
	return waiting, s.passOver(ctx, shard, idle)
}

// passOver takes lists that have nothing pending any more out of those that are looked at: else each list that ever had a
// delivery would cost three reads at every look.
func (s *Store) passOver(ctx context.Context, shard int, idle []string) error {
	if len(idle) == 0 {
		return nil
	}
	keys, names := []string{s.key(shard, keyFeeds)}, make([]any, len(idle))
	for i, name := range idle {
		list, _ := feed.ParseList(name)
		keys, names[i] = append(keys, s.key(shard, dueName(list))), name
	}
	if err := takeOut.Run(ctx, s.rdb, keys, names...).Err(); err != nil {
		return uncertain(fmt.Errorf("pass over lists of shard %d: %w", shard, err))
	}
	return nil
}

// takeOut: KEYS the set of feeds, then what each list has due; ARGV the lists. It looks again, since something may have come
// due meanwhile; so anybody may run it at any time.
var takeOut = redis.NewScript(`
for i, name in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 0 then redis.call('SREM', KEYS[1], name) end
end
return 1`)

// madeOf gives the time that a delivery's place tells.
func madeOf(member string) time.Time {
	digits, _, _ := strings.Cut(member, "/")
	ms, _ := strconv.ParseInt(digits, 10, 64)
	return time.UnixMilli(ms)
}

// Due gives deliveries of a list in one shard whose next attempt is not after a time, the earliest first.
func (s *Store) Due(ctx context.Context, shard int, l feed.List, until time.Time, limit int) ([]feed.Delivery, error) {
	ids, err := s.scored(ctx, shard, dueName(l), until, limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	refs := make([]feed.Ref, len(ids))
	for i, id := range ids {
		refs[i] = feed.Ref{Account: l.Account, ID: id}
	}
	return s.deliveries(ctx, shard, refs)
}

// Old gives deliveries of a shard that may be forgotten at a time.
func (s *Store) Old(ctx context.Context, shard int, at time.Time, limit int) ([]feed.Ref, error) {
	names, err := s.scored(ctx, shard, keyOld, at, limit)
	if err != nil {
		return nil, err
	}
	refs := make([]feed.Ref, 0, len(names))
	for _, name := range names {
		if account, id, ok := strings.Cut(name, "/"); ok {
			refs = append(refs, feed.Ref{Account: account, ID: id})
		}
	}
	return refs, nil
}

// scored gives the members of a sorted set whose score is a time not after another.
func (s *Store) scored(ctx context.Context, shard int, name string, until time.Time, limit int) ([]string, error) {
	members, err := s.asks.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: s.key(shard, name), Start: "-inf", Stop: strconv.FormatInt(until.UnixMilli(), 10), ByScore: true, Count: int64(limit),
	}).Result()
	if err != nil {
		return nil, uncertain(fmt.Errorf("read deliveries: %w", err))
	}
	return members, nil
}

// deliveries reads deliveries of one shard in their order. One that is not there any more is left out.
func (s *Store) deliveries(ctx context.Context, shard int, refs []feed.Ref) ([]feed.Delivery, error) {
	keys := make([]string, len(refs))
	for i, ref := range refs {
		keys[i] = ref.Key()
	}
	states, err := s.States(ctx, shard, keys...)
	if err != nil {
		return nil, err
	}
	found := make([]feed.Delivery, 0, len(states))
	for _, state := range states {
		if state == nil {
			continue
		}
		var d feed.Delivery
		if err := json.Unmarshal(state, &d); err != nil {
			return nil, fmt.Errorf("read a delivery: %w", err)
		}
		found = append(found, d)
	}
	return found, nil
}

// Delivery reads one delivery of an account; nil where there is none.
func (s *Store) Delivery(ctx context.Context, r feed.Ref) (*feed.Delivery, error) {
	at, err := optout.DeliveryShard(r.ID)
	if err != nil || at >= int(s.shards) {
		return nil, nil //nolint:nilnil,nilerr // as documented: there is none of this name
	}
	found, err := s.deliveries(ctx, at, []feed.Ref{r})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Deliveries gives a list's deliveries of some statuses, those of the latest changes first, from the one after the cursor
// on. next is the cursor of what follows, "" at the end. They lie in all shards, and every one must be certain.
func (s *Store) Deliveries(ctx context.Context, l feed.List, statuses []feed.Status, after string, limit int) (page []feed.Delivery, next string, err error) {
	if after != "" {
		if _, err := deliveryOf(after); err != nil {
			return nil, "", fault.New(fault.Invalid, "bad_cursor", "after is not a cursor that a page gave as next.")
		}
	}
	names := make([]string, len(statuses))
	for i, status := range statuses {
		names[i] = deliveriesName(l, status)
	}
	members, next, err := s.newest(ctx, names, after, limit)
	if err != nil {
		return nil, "", err
	}
	page, err = s.listed(ctx, l.Account, members)
	return page, next, err
}

// deliveryOf gives the id of a place in a list's pages.
func deliveryOf(member string) (string, error) {
	_, id, _ := strings.Cut(member, "/")
	_, err := optout.DeliveryShard(id)
	return id, err
}

// listed reads the deliveries at some places, shard by shard, and gives them in the order of the places.
func (s *Store) listed(ctx context.Context, account string, members []string) ([]feed.Delivery, error) {
	byShard, found := map[int][]feed.Ref{}, map[string]feed.Delivery{}
	for _, member := range members {
		id, err := deliveryOf(member)
		if err != nil {
			return nil, err
		}
		at, err := optout.DeliveryShard(id)
		if err != nil {
			return nil, err
		}
		byShard[at] = append(byShard[at], feed.Ref{Account: account, ID: id})
	}
	for at, refs := range byShard {
		some, err := s.deliveries(ctx, at, refs)
		if err != nil {
			return nil, err
		}
		for _, d := range some {
			found[d.ID] = d
		}
	}
	page := make([]feed.Delivery, 0, len(members))
	for _, member := range members {
		id, _ := deliveryOf(member)
		if d, ok := found[id]; ok {
			page = append(page, d)
		}
	}
	return page, nil
}
