package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/broadcast"
)

// Active gives a shard's broadcasts that are not forgotten, with their statuses; fault.NotCertain where the view may be
// behind.
func (s *Store) Active(ctx context.Context, shard int) (map[broadcast.Ref]broadcast.Status, error) {
	var read *redis.MapStringStringCmd
	certain := s.sandwich(ctx, []int{shard}, func(pipe redis.Pipeliner) {
		read = pipe.HGetAll(ctx, s.key(shard, keyActive))
	})
	if err := read.Err(); err != nil {
		return nil, uncertain(fmt.Errorf("read the broadcasts of shard %d: %w", shard, err))
	}
	if !certain[shard] {
		return nil, uncertain(fmt.Errorf("shard %d has no lease", shard))
	}
	active := make(map[broadcast.Ref]broadcast.Status, len(read.Val()))
	for name, status := range read.Val() {
		if ref, ok := broadcast.ParseRef(name); ok {
			active[ref] = broadcast.Status(status)
		}
	}
	return active, nil
}

// Broadcast reads one broadcast of an account; nil where there is none.
func (s *Store) Broadcast(ctx context.Context, r broadcast.Ref) (*broadcast.Broadcast, error) {
	states, err := s.States(ctx, r.Shard(s.shards), r.Key())
	if err != nil || states[0] == nil {
		return nil, err
	}
	b := &broadcast.Broadcast{}
	if err := json.Unmarshal(states[0], b); err != nil {
		return nil, fmt.Errorf("read a broadcast: %w", err)
	}
	return b, nil
}

// Broadcasts gives an account's broadcasts, the newest first, from the one after the cursor on. next is the cursor of what
// follows, "" at the end. An account's broadcasts lie in all shards, and every one must be certain.
func (s *Store) Broadcasts(ctx context.Context, account, after string, limit int) (page []broadcast.Broadcast, next string, err error) {
	members, next, err := s.newest(ctx, []string{broadcastsName(account)}, after, limit)
	if err != nil {
		return nil, "", err
	}
	page, err = s.readListed(ctx, account, members)
	return page, next, err
}

// readListed reads the broadcasts of a list's members, shard by shard. One that was forgotten a moment ago is left out.
func (s *Store) readListed(ctx context.Context, account string, members []string) (page []broadcast.Broadcast, err error) {
	keys, places := map[int][]string{}, map[int][]int{}
	for i, member := range members {
		_, id, _ := strings.Cut(member, "/")
		ref := broadcast.Ref{Account: account, ID: id}
		shard := ref.Shard(s.shards)
		keys[shard], places[shard] = append(keys[shard], ref.Key()), append(places[shard], i)
	}
	found := make([]*broadcast.Broadcast, len(members))
	for shard, wanted := range keys {
		states, err := s.States(ctx, shard, wanted...)
		if err != nil {
			return nil, err
		}
		for n, raw := range states {
			if raw == nil {
				continue
			}
			if err := json.Unmarshal(raw, &found[places[shard][n]]); err != nil {
				return nil, fmt.Errorf("read a broadcast: %w", err)
			}
		}
	}
	for _, b := range found {
		if b != nil {
			page = append(page, *b)
		}
	}
	return page, nil
}
