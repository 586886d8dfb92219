package store

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
)

const (
	trimEvery   = time.Minute // a service window's set loses who is outside by now
	servedAtOne = 1000        // people of one page
	// windowMargin is how much earlier than Meta we take a window to be over: a message may be on its way for as long.
	windowMargin = 2 * time.Minute
)

// trims remembers when this process last trimmed the sets of service windows.
type trims struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due says whether a set is to be trimmed now, and that it then is.
func (t *trims) due(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.last[key]) < trimEvery {
		return false
	}
	if t.last == nil {
		t.last = map[string]time.Time{}
	}
	t.last[key] = now
	return true
}

// NoteContacts notes who wrote or called, in one pipeline: it opens their service windows, or lets them begin anew. An
// older contact never shortens a window. What is noted is no view: it is regained by itself, as people write again.
func (s *Store) NoteContacts(ctx context.Context, contacts []channel.Contact) error {
	type set struct {
		shard            int
		account, channel string
	}
	noted := map[set][]any{}
	for _, c := range contacts {
		of := set{s.shards.Of(c.Pseudonym), c.Account, c.Channel}
		if noted[of] == nil {
			noted[of] = append(noted[of], "ZADD", s.serviceKey(of.shard, of.account, of.channel), "GT")
		}
		noted[of] = append(noted[of], c.At, string(c.ID))
	}
	now := time.Now()
	pipe := s.rdb.Pipeline()
	for _, command := range noted {
		key := command[1].(string)
		pipe.Do(ctx, command...)
		if s.trimmed.due(key, now) {
			pipe.ZRemRangeByScore(ctx, key, "-inf", score(now.Add(-channel.Window)))
			pipe.PExpire(ctx, key, channel.Window+trimEvery)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("note service windows: %w", err)
	}
	return nil
}

// InService says of people, in their order, whether each is within the service window of a channel: whether they wrote or
// called within 24 h. One of whom that isn't known, as after a loss of Redis, is outside.
func (s *Store) InService(ctx context.Context, account, id string, people []chat.Identifier) ([]bool, error) {
	known, err := s.Lexicon(ctx, account)
	if err != nil {
		return nil, err
	}
	hash := known.Account.Key.Hasher()
	at := map[string][]int{}
	for i, person := range people {
		key := s.serviceKey(s.shards.Of(hash.Pseudonym(person)), account, id)
		at[key] = append(at[key], i)
	}
	pipe := s.rdb.Pipeline()
	asked := make(map[string]*redis.FloatSliceCmd, len(at))
	for key, indexes := range at {
		members := make([]string, len(indexes))
		for n, i := range indexes {
			members[n] = string(people[i])
		}
		asked[key] = pipe.ZMScore(ctx, key, members...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, uncertain(fmt.Errorf("read service windows: %w", err))
	}
	inside := make([]bool, len(people))
	open := float64(time.Now().Add(windowMargin - channel.Window).UnixMilli())
	for key, indexes := range at {
		for n, last := range asked[key].Val() {
			inside[indexes[n]] = last > open
		}
	}
	return inside, nil
}

// Served gives everybody who wrote or called by a channel since a time, within the last 24 h, a page at a time and in no
// order; each identifier once, but somebody who writes meanwhile perhaps twice.
func (s *Store) Served(ctx context.Context, account, id string, since time.Time, each func([]chat.Identifier) error) error {
	if oldest := time.Now().Add(-channel.Window); since.Before(oldest) {
		since = oldest
	}
	for shard := range int(s.shards) {
		key := s.serviceKey(shard, account, id)
		for from, skip := score(since), int64(0); ; {
			page, err := s.rdb.ZRangeByScoreWithScores(ctx, key, &redis.ZRangeBy{Min: from, Max: "+inf", Offset: skip, Count: servedAtOne}).Result()
			if err != nil {
				return uncertain(fmt.Errorf("read service windows: %w", err))
			}
			if len(page) == 0 {
				break
			}
			people := make([]chat.Identifier, len(page))
			for i, one := range page {
				people[i] = chat.Identifier(one.Member.(string))
			}
			if err := each(people); err != nil {
				return err
			}
			if len(page) < servedAtOne {
				break
			}
			from, skip = after(page, from, skip)
		}
	}
	return nil
}

// after gives where the page after one begins: at its last score, past those of that score that were given.
func after(page []redis.Z, from string, skip int64) (string, int64) {
	last := page[len(page)-1].Score
	at := strconv.FormatFloat(last, 'f', -1, 64)
	same := int64(0)
	for i := len(page) - 1; i >= 0 && page[i].Score == last; i-- {
		same++
	}
	if at == from {
		same += skip
	}
	return at, same
}

// InServiceCount counts the people within the service window of a channel: identifiers, of which a person may have several.
func (s *Store) InServiceCount(ctx context.Context, account, id string) (int, error) {
	pipe := s.rdb.Pipeline()
	counts := make([]*redis.IntCmd, s.shards)
	for shard := range counts {
		counts[shard] = pipe.ZCount(ctx, s.serviceKey(shard, account, id), score(time.Now().Add(-channel.Window)), "+inf")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, uncertain(fmt.Errorf("count service windows: %w", err))
	}
	n := 0
	for _, count := range counts {
		n += int(count.Val())
	}
	return n, nil
}

func (s *Store) serviceKey(shard int, account, id string) string {
	return s.key(shard, serviceName(account, id))
}

func score(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
