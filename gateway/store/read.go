package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
)

// States reads states of one shard; nil where there is none. It refuses with fault.NotCertain where the view may be behind.
func (s *Store) States(ctx context.Context, shardNumber int, keys ...string) ([][]byte, error) {
	var read *redis.SliceCmd
	certain := s.sandwich(ctx, []int{shardNumber}, func(pipe redis.Pipeliner) {
		read = pipe.HMGet(ctx, s.key(shardNumber, keyStates), keys...)
	})
	if err := read.Err(); err != nil {
		return nil, uncertain(fmt.Errorf("read states: %w", err))
	}
	if !certain[shardNumber] {
		return nil, uncertain(fmt.Errorf("shard %d has no lease", shardNumber))
	}
	return values(read.Val()), nil
}

// Certain tells of each of the given shards whether it can be relied on at this moment.
func (s *Store) Certain(ctx context.Context, shards []int) map[int]bool {
	return s.sandwich(ctx, shards, func(redis.Pipeliner) {})
}

// Answer gives what the fold of a command said, once the shard has come past the command's offset; ok is false before.
// A command that says nothing has the answer nil.
func (s *Store) Answer(ctx context.Context, shardNumber int, offset int64, command string) (answer *shard.Answer, ok bool, err error) {
	states, err := s.rdb.HMGet(ctx, s.key(shardNumber, keyStates), shard.CursorKey, shard.AnswerKey(command)).Result()
	if err != nil {
		return nil, false, fault.Wrap(err, fault.Unavailable, "redis_away", "Redis can't be reached.")
	}
	raw := values(states)
	var cursor shard.Cursor
	if raw[0] == nil {
		return nil, false, nil
	}
	if err := json.Unmarshal(raw[0], &cursor); err != nil {
		return nil, false, fmt.Errorf("cursor of shard %d: %w", shardNumber, err)
	}
	if cursor.Command <= offset {
		return nil, false, nil
	}
	if raw[1] == nil {
		return nil, true, nil
	}
	answer = &shard.Answer{}
	d := json.NewDecoder(bytes.NewReader(raw[1]))
	d.UseNumber() // a pseudonym has more digits than a float keeps
	if err := d.Decode(answer); err != nil {
		return nil, false, fmt.Errorf("answer to a command: %w", err)
	}
	return answer, true, nil
}

// answersAtOnce bounds one look for old answers, so that the command that forgets them stays small.
const answersAtOnce = 1000

// OldAnswers gives ids of commands of a shard whose answers were made before a time, at most 1,000.
func (s *Store) OldAnswers(ctx context.Context, shardNumber int, before time.Time) (commands []string, err error) {
	prefix := shard.AnswerKey("")
	all := s.rdb.HScan(ctx, s.key(shardNumber, keyStates), 0, prefix+"*", answersAtOnce).Iterator()
	for all.Next(ctx) && len(commands) < answersAtOnce {
		id := strings.TrimPrefix(all.Val(), prefix)
		if !all.Next(ctx) {
			break
		}
		var a shard.Answer
		if json.Unmarshal([]byte(all.Val()), &a) == nil && a.Made < before.UnixMilli() {
			commands = append(commands, id)
		}
	}
	if err := all.Err(); err != nil {
		return nil, fmt.Errorf("look for old answers: %w", err)
	}
	return commands, nil
}
