package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

const (
	pageScan = 10_000 // members that are looked at in one go, at most: embedded Redis sorts a whole list for each look
	scans    = 20     // looks of one search, which then gives what it has, so that a rare find in a long list is no endless call
)

// Entries pages through the people on an account's list, shard by shard and sorted by identifier in each: an order that
// stays while people come and go. after is the cursor that the page before gave, "" at first; next is "" on the last page.
// A page of a search may be short, and even empty, with others after it.
func (s *Store) Entries(ctx context.Context, account, list string, search optout.Search, after string, limit int) (entries []optout.Listed, next string, err error) {
	at, from, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	for looks := 0; at < int(s.shards); at, from = at+1, "-" {
		for {
			found, last, more, err := s.members(ctx, at, account, list, search, from, limit-len(entries))
			if err != nil {
				return nil, "", err
			}
			entries = append(entries, found...)
			if len(entries) == limit {
				return entries, formatCursor(at, last), nil
			}
			if !more {
				break
			}
			if looks++; looks == scans {
				return entries, formatCursor(at, last), nil
			}
			from = "(" + last
		}
	}
	return entries, "", nil
}

// members reads one stretch of a shard's members. last is the one looked at last; more says that there may be others.
func (s *Store) members(ctx context.Context, at int, account, list string, search optout.Search, from string, want int) (found []optout.Listed, last string, more bool, err error) {
	n := pageScan
	if search.Everybody() {
		n = min(want, pageScan)
	}
	var page *redis.StringSliceCmd
	certain := s.sandwich(ctx, []int{at}, func(pipe redis.Pipeliner) {
		page = pipe.ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: s.key(at, membersName(account, list)), Start: from, Stop: "+", ByLex: true, Count: int64(n)})
	})
	if err := page.Err(); err != nil {
		return nil, "", false, uncertain(fmt.Errorf("page of a list: %w", err))
	}
	if !certain[at] {
		return nil, "", false, uncertain(fmt.Errorf("shard %d has no lease", at))
	}
	var keys []string
	more = len(page.Val()) == n
	for _, text := range page.Val() {
		if len(found) == want {
			more = true
			break
		}
		last = text
		id, channel, p, ok := parseMember(text)
		if !ok || !search.Finds(id, channel) {
			continue
		}
		found = append(found, optout.Listed{ID: p.String() + "." + channel, Who: id, Channel: channel})
		keys = append(keys, optout.PersonKey(account, p))
	}
	if len(found) == 0 {
		return nil, last, more, nil
	}
	states, err := s.States(ctx, at, keys...)
	if err != nil {
		return nil, "", false, err
	}
	for i, state := range states {
		detail(&found[i], list, state)
	}
	return found, last, more, nil
}

// detail adds what the person's state knows of the entry.
func detail(l *optout.Listed, list string, state []byte) {
	var p optout.Person
	if state == nil || json.Unmarshal(state, &p) != nil {
		return
	}
	for _, e := range p.Entries {
		if e.List == list && e.Channel == l.Channel {
			l.Source, l.Since, l.Note, l.By = e.Source, time.UnixMilli(e.Out).UTC(), e.Note, e.By
		}
	}
}

func formatCursor(at int, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(at) + ":" + last))
}

func parseCursor(text string) (at int, from string, err error) {
	if text == "" {
		return 0, "-", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	number, last, ok := strings.Cut(string(raw), ":")
	if err == nil && ok {
		at, err = strconv.Atoi(number)
	}
	if err != nil || !ok || at < 0 {
		return 0, "", fault.New(fault.Invalid, "bad_cursor", "after is not a cursor that a page gave as next.")
	}
	return at, "(" + last, nil
}
