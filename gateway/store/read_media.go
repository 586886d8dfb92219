package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/media"
)

// Files gives the files of an account's library, the newest first, from the one after the cursor on. next is the cursor of what
// follows, "" at the end.
func (s *Store) Files(ctx context.Context, account, after string, limit int) (page []media.Media, next string, err error) {
	members, next, err := s.newest(ctx, []string{mediaName(account)}, after, limit)
	if err != nil || len(members) == 0 {
		return nil, "", err
	}
	keys := make([]string, len(members))
	for i, member := range members {
		_, id, _ := strings.Cut(member, "/")
		keys[i] = media.Key(account, id)
	}
	states, err := s.States(ctx, s.shards.Account(account), keys...)
	if err != nil {
		return nil, "", err
	}
	for _, raw := range states {
		var m media.Media
		if raw == nil { // it was deleted a moment ago
			continue
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, "", fmt.Errorf("read a file of a library: %w", err)
		}
		page = append(page, m)
	}
	return page, next, nil
}

// Loose is what a shard's libraries have to be rid of.
type Loose struct {
	Abandoned []media.Blob // files that began to come before a time
	Copies    []media.Copies
}

// Loose gives what a shard's libraries have to be rid of, at most 100 of each.
func (s *Store) Loose(ctx context.Context, shard int, before time.Time) (l Loose, err error) {
	all, err := s.rdb.HGetAll(ctx, s.key(shard, keyLoose)).Result()
	if err != nil {
		return l, fmt.Errorf("look for loose files: %w", err)
	}
	var keys []string
	for key, value := range all {
		family, account, name := looseOf(key)
		made, err := strconv.ParseInt(value, 10, 64)
		switch {
		case family == "upload" && err == nil && made < before.UnixMilli() && len(l.Abandoned) < dueAtOnce:
			l.Abandoned = append(l.Abandoned, media.Blob{Account: account, Name: name})
		case family == "copies" && len(keys) < dueAtOnce:
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return l, nil
	}
	states, err := s.States(ctx, shard, keys...)
	if err != nil {
		return l, err
	}
	for _, raw := range states {
		var c media.Copies
		if raw != nil && json.Unmarshal(raw, &c) == nil {
			l.Copies = append(l.Copies, c)
		}
	}
	return l, nil
}
