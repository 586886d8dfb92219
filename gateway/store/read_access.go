package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/access"
)

// cachedTokens are an account's tokens as one process knows them. They are read by one call at a time, for all that wait.
type cachedTokens struct {
	turn  chan struct{} // holds one element while nobody reads
	began time.Time     // when the last reading began
	state []byte
	of    access.Tokens
	err   error
}

// tokenCache holds the accounts whose tokens were asked for.
type tokenCache struct {
	mu       sync.Mutex
	accounts map[string]*cachedTokens
}

func (c *tokenCache) account(id string) *cachedTokens {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.accounts[id]
	if one == nil {
		one = &cachedTokens{turn: make(chan struct{}, 1)}
		one.turn <- struct{}{}
		if c.accounts == nil {
			c.accounts = map[string]*cachedTokens{}
		}
		c.accounts[id] = one
	}
	return one
}

// Tokens gives an account's tokens as a reading that began at a time or later found them: however many ask at once, no two
// readings of an account run together, and one that failed is an answer to all who had come before it. Where the view may be
// behind it refuses with fault.NotCertain. Each account asked for is remembered: callers ask for declared ones alone.
func (s *Store) Tokens(ctx context.Context, account string, since time.Time) (access.Tokens, error) {
	known, arrived := s.tokens.account(account), time.Now()
	select {
	case <-known.turn:
	case <-ctx.Done():
		return access.Tokens{}, uncertain(ctx.Err())
	}
	defer func() { known.turn <- struct{}{} }()
	if known.began.Before(since) || known.err != nil && known.began.Before(arrived) {
		known.began = time.Now()
		known.err = s.readTokens(ctx, account, known)
	}
	return known.of, known.err
}

func (s *Store) readTokens(ctx context.Context, account string, into *cachedTokens) error {
	states, err := s.States(ctx, s.shards.Account(account), access.TokensKey(account))
	if err != nil {
		return err
	}
	if into.state != nil && bytes.Equal(states[0], into.state) {
		return nil
	}
	var read access.Tokens
	if states[0] != nil {
		if err := json.Unmarshal(states[0], &read); err != nil {
			return fmt.Errorf("read the tokens of an account: %w", err)
		}
	}
	into.state, into.of = states[0], read
	return nil
}

// Audit gives entries of an account's audit, the newest first, from the one after the cursor on and none older than since.
// next is the cursor of what follows, "" at the end.
func (s *Store) Audit(ctx context.Context, account string, since time.Time, after string, limit int) (page []access.Entry, next string, err error) {
	lowest, highest := "-", "+"
	if !since.IsZero() {
		lowest = "[" + access.PlaceAfter(since)
	}
	if after != "" {
		highest = "(" + after
	}
	at := s.shards.Account(account)
	var read *redis.StringSliceCmd
	certain := s.sandwich(ctx, []int{at}, func(pipe redis.Pipeliner) {
		read = pipe.ZRevRangeByLex(ctx, s.key(at, auditName(account)), &redis.ZRangeBy{Min: lowest, Max: highest, Count: int64(limit) + 1})
	})
	if err := read.Err(); err != nil {
		return nil, "", uncertain(fmt.Errorf("page of an audit: %w", err))
	}
	if !certain[at] {
		return nil, "", uncertain(fmt.Errorf("shard %d has no lease", at))
	}
	places := read.Val()
	if len(places) > limit {
		places = places[:limit]
		next = places[limit-1]
	}
	if len(places) == 0 {
		return nil, "", nil
	}
	keys := make([]string, len(places))
	for i, place := range places {
		keys[i] = access.AuditKey(account, place)
	}
	states, err := s.States(ctx, at, keys...)
	if err != nil {
		return nil, "", err
	}
	for i, state := range states {
		if state == nil {
			continue // forgotten a moment ago
		}
		e := access.Entry{Place: places[i]}
		if err := json.Unmarshal(state, &e); err != nil {
			return nil, "", fmt.Errorf("read an entry of an audit: %w", err)
		}
		page = append(page, e)
	}
	return page, next, nil
}

// OldAudit gives the keys of a shard's entries of audits that are older than a time, each account's oldest first, as many as
// one command may forget.
func (s *Store) OldAudit(ctx context.Context, shard int, before time.Time) (keys []string, err error) {
	accounts, err := s.rdb.SMembers(ctx, s.key(shard, keyAudits)).Result()
	if err != nil {
		return nil, fmt.Errorf("look for audits: %w", err)
	}
	for _, account := range accounts {
		places, err := s.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: s.key(shard, auditName(account)), Start: "-", Stop: "(" + access.PlaceAfter(before), ByLex: true,
			Count: int64(access.MostForgotten - len(keys)),
		}).Result()
		if err != nil {
			return nil, fmt.Errorf("look for old entries of an audit: %w", err)
		}
		for _, place := range places {
			keys = append(keys, access.AuditKey(account, place))
		}
		if len(keys) == access.MostForgotten {
			break
		}
	}
	return keys, nil
}
