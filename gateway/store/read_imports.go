package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/imports"
)

// Import reads one import of an account; nil where there is none.
func (s *Store) Import(ctx context.Context, r imports.Ref) (*imports.Import, error) {
	states, err := s.States(ctx, r.Shard(s.shards), r.Key())
	if err != nil || states[0] == nil {
		return nil, err
	}
	i := &imports.Import{}
	if err := json.Unmarshal(states[0], i); err != nil {
		return nil, fmt.Errorf("read an import: %w", err)
	}
	return i, nil
}

// Imports gives an account's imports, the newest first, from the one after the cursor on. next is the cursor of what follows,
// "" at the end. An account's imports lie in all shards, and every one must be certain.
func (s *Store) Imports(ctx context.Context, account, after string, limit int) (page []imports.Import, next string, err error) {
	members, next, err := s.newest(ctx, []string{importsName(account)}, after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, member := range members {
		_, id, _ := strings.Cut(member, "/")
		i, err := s.Import(ctx, imports.Ref{Account: account, ID: id})
		if err != nil {
			return nil, "", err
		}
		if i != nil { // else it was forgotten a moment ago
			page = append(page, *i)
		}
	}
	return page, next, nil
}

// DueImports gives imports of a shard of which nothing was heard since a time though they run, and those that ended before
// another; at most 100.
func (s *Store) DueImports(ctx context.Context, shard int, silent, ended time.Time) (due []imports.Import, err error) {
	all, err := s.rdb.HGetAll(ctx, s.key(shard, keyImports)).Result()
	if err != nil {
		return nil, fmt.Errorf("look for imports that are due: %w", err)
	}
	for name, value := range all {
		status, text, _ := strings.Cut(value, ":")
		since, err := strconv.ParseInt(text, 10, 64)
		before := ended
		if imports.Status(status) == imports.Running {
			before = silent
		}
		account, id, ok := strings.Cut(name, "/")
		if err != nil || !ok || since >= before.UnixMilli() {
			continue
		}
		i, err := s.Import(ctx, imports.Ref{Account: account, ID: id})
		if err != nil {
			return nil, err
		}
		if i != nil {
			due = append(due, *i)
		}
		if len(due) == dueAtOnce {
			break
		}
	}
	return due, nil
}

const dueAtOnce = 100
