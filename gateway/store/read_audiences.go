package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/broadcast"
)

// Audience reads one audience of an account, whatever its status; nil where there is none.
func (s *Store) Audience(ctx context.Context, r broadcast.Ref) (*broadcast.Audience, error) {
	states, err := s.States(ctx, r.Shard(s.shards), r.AudienceKey())
	if err != nil || states[0] == nil {
		return nil, err
	}
	a := &broadcast.Audience{}
	if err := json.Unmarshal(states[0], a); err != nil {
		return nil, fmt.Errorf("read an audience: %w", err)
	}
	return a, nil
}

// Audiences gives an account's audiences that are whole, the newest first, from the one after the cursor on. next is the cursor of
// what follows, "" at the end. An account's audiences lie in all shards, and every one must be certain.
func (s *Store) Audiences(ctx context.Context, account, after string, limit int) (page []broadcast.Audience, next string, err error) {
	members, next, err := s.newest(ctx, []string{audiencesName(account)}, after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, member := range members {
		_, id, _ := strings.Cut(member, "/")
		a, err := s.Audience(ctx, broadcast.Ref{Account: account, ID: id})
		if err != nil {
			return nil, "", err
		}
		if a != nil && a.Status == broadcast.Ready { // else it was forgotten a moment ago
			page = append(page, *a)
		}
	}
	return page, next, nil
}

// DueAudiences gives audiences of a shard of which nothing more came, or that a broadcast uses, since before a time; those that
// nobody used since before another; and those that are being forgotten: at most 100.
func (s *Store) DueAudiences(ctx context.Context, shard int, stale, unused time.Time) (due []broadcast.Audience, err error) {
	all, err := s.rdb.HGetAll(ctx, s.key(shard, keyAudiences)).Result()
	if err != nil {
		return nil, fmt.Errorf("look for audiences that are due: %w", err)
	}
	for name, value := range all {
		status, text, _ := strings.Cut(value, ":")
		since, err := strconv.ParseInt(text, 10, 64)
		ref, ok := broadcast.ParseRef(name)
		before := stale
		switch broadcast.AudienceStatus(status) {
		case broadcast.Ready:
			before = unused
		case broadcast.Going:
			before = time.UnixMilli(math.MaxInt64)
		}
		if err != nil || !ok || since >= before.UnixMilli() {
			continue
		}
		a, err := s.Audience(ctx, ref)
		if err != nil {
			return nil, err
		}
		if a != nil {
			due = append(due, *a)
		}
		if len(due) == dueAtOnce {
			break
		}
	}
	return due, nil
}
