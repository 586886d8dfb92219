package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// dropAfter is how long the rows of a forgotten broadcast stay, for whoever is reading them.
const dropAfter = 10 * time.Minute

// OpenRows makes the rows of a shard's broadcasts ready for FoldRows. It gives the offset of outcomes up to which all of
// them are folded, and the rows that have a fact. Broadcasts that are not there, because they are new or because Redis lost
// them, are folded from the offset noted in them; until that has reached the offset until, Totals and Rows of one that
// had begun are not certain.
func (s *Store) OpenRows(ctx context.Context, shard int, until int64, all []broadcast.Broadcast) (int64, map[broadcast.Ref][]int, error) {
	keys, args := []string{s.key(shard, keyFolded)}, make([]any, 0, 2*len(all))
	for _, b := range all {
		certainFrom := until
		if b.Status == broadcast.Planned {
			certainFrom = 0 // nothing has been said about it
		}
		keys = append(keys, s.key(shard, sumsName(b.Ref())))
		args = append(args, b.Outcomes, certainFrom)
	}
	next, err := openRows.Run(ctx, s.rdb, keys, args...).Int64()
	if err != nil {
		return 0, nil, fmt.Errorf("open rows: %w", err)
	}
	pipe := s.rdb.Pipeline()
	reads := map[broadcast.Ref]*redis.StringSliceCmd{}
	for _, b := range all {
		reads[b.Ref()] = pipe.HKeys(ctx, s.key(shard, rowsName(b.Ref())))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, nil, fmt.Errorf("read rows: %w", err)
	}
	known := map[broadcast.Ref][]int{}
	for ref, read := range reads {
		for _, field := range read.Val() {
			n, err := strconv.Atoi(field)
			if err != nil {
				return 0, nil, fmt.Errorf("number of a row: %w", err)
			}
			known[ref] = append(known[ref], n)
		}
	}
	return next, known, nil
}

// FoldRows folds the facts at the offsets [from, next) of a shard's outcomes in one script. A row shows the fact of the
// highest rank, so that order and repeats make no difference; totals move with it. broadcast.ErrLost, and no change, where
// something before from is not folded, or a broadcast is not open.
func (s *Store) FoldRows(ctx context.Context, shard int, from, next int64, facts []chat.Fact) error {
	keys, args := []string{s.key(shard, keyFolded)}, []any{from, next}
	at := map[broadcast.Ref]int{}
	for _, f := range facts {
		ref := broadcast.Ref{Account: f.Account, ID: f.Broadcast}
		if at[ref] == 0 {
			at[ref] = len(keys) + 1
			keys = append(keys, s.key(shard, rowsName(ref)), s.key(shard, sumsName(ref)))
		}
		args = append(args, at[ref], f.Row, f.Status.Rank(), string(f.Status), max(f.At, 0), line(f.MessageID),
			line(f.Error)+"\n"+line(f.List)+"\n"+line(f.Reason))
	}
	done, err := foldRows.Run(ctx, s.rdb, keys, args...).Bool()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("fold rows: %w", err)
	}
	if !done {
		return broadcast.ErrLost
	}
	return nil
}

// DropRows lets a broadcast's rows go in a while.
func (s *Store) DropRows(ctx context.Context, shard int, r broadcast.Ref) error {
	pipe := s.rdb.Pipeline()
	pipe.Expire(ctx, s.key(shard, rowsName(r)), dropAfter)
	pipe.Expire(ctx, s.key(shard, sumsName(r)), dropAfter)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("drop rows: %w", err)
	}
	return nil
}

// Rows gives what became of rows, in their order; the zero Fact of one that is queued.
func (s *Store) Rows(ctx context.Context, b broadcast.Broadcast, numbers []int) ([]chat.Fact, error) {
	fields := make([]string, len(numbers))
	for i, n := range numbers {
		fields[i] = strconv.Itoa(n)
	}
	var read *redis.SliceCmd
	err := s.folded(ctx, b, func(pipe redis.Pipeliner, shard int) {
		read = pipe.HMGet(ctx, s.key(shard, rowsName(b.Ref())), fields...)
	})
	if err != nil {
		return nil, err
	}
	facts := make([]chat.Fact, len(numbers))
	for i, raw := range values(read.Val()) {
		if raw == nil {
			continue
		}
		if facts[i], err = parseRow(string(raw)); err != nil {
			return nil, err
		}
		facts[i].ID, facts[i].Account, facts[i].Broadcast, facts[i].Row = b.Ref().MessageID(numbers[i]), b.Account, b.ID, numbers[i]
	}
	return facts, nil
}

// RowTotals counts a broadcast's rows that have a fact, by status.
func (s *Store) RowTotals(ctx context.Context, b broadcast.Broadcast) (map[chat.Status]int, error) {
	var read *redis.MapStringStringCmd
	err := s.folded(ctx, b, func(pipe redis.Pipeliner, shard int) {
		read = pipe.HGetAll(ctx, s.key(shard, sumsName(b.Ref())))
	})
	if err != nil {
		return nil, err
	}
	totals := map[chat.Status]int{}
	for _, name := range slices.Sorted(maps.Keys(read.Val())) {
		if status := chat.Status(name); status.Rank() > 0 {
			if totals[status], err = strconv.Atoi(read.Val()[name]); err != nil {
				return nil, fmt.Errorf("totals: %w", err)
			}
		}
	}
	return totals, nil
}

// folded reads rows or totals together with how far they are folded, and refuses with fault.NotCertain where Redis lost them
// and they are not all there again. Those of a broadcast that nobody has begun are not there, and nothing is missing.
func (s *Store) folded(ctx context.Context, b broadcast.Broadcast, read func(pipe redis.Pipeliner, shard int)) error {
	shard := b.Ref().Shard(s.shards)
	pipe := s.rdb.TxPipeline()
	folded := pipe.Get(ctx, s.key(shard, keyFolded))
	until := pipe.HGet(ctx, s.key(shard, sumsName(b.Ref())), "until")
	read(pipe, shard)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return uncertain(fmt.Errorf("read the report: %w", err))
	}
	wanted, err := until.Int64()
	if errors.Is(err, redis.Nil) && b.Status == broadcast.Planned {
		return nil
	}
	if at, wrong := folded.Int64(); err != nil || wrong != nil || at < wanted {
		return uncertain(errUnfolded)
	}
	return nil
}

var errUnfolded = errors.New("outcomes are not folded yet")

// parseRow reads what foldRows wrote: rank, status, time, message id, error, list and reason, a line each.
func parseRow(text string) (chat.Fact, error) {
	parts := strings.Split(text, "\n")
	if len(parts) != 7 {
		return chat.Fact{}, errors.New("row of a report can't be read")
	}
	at, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return chat.Fact{}, fmt.Errorf("time of a row: %w", err)
	}
	return chat.Fact{
		Status: chat.Status(parts[1]), At: at, MessageID: parts[3], Error: parts[4], List: parts[5], Reason: parts[6],
	}, nil
}

// line makes a text one line.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

// openRows: KEYS folded, sums…; ARGV (began, until)… for each sums.
var openRows = redis.NewScript(`
local at = redis.call('GET', KEYS[1])
local lowest, kept = nil, false
for i = 2, #KEYS do
  local began = ARGV[2 * i - 3]
  local new = redis.call('HSETNX', KEYS[i], 'until', ARGV[2 * i - 2]) == 1
  if not new then kept = true end
  if (new or not at) and (not lowest or tonumber(began) < tonumber(lowest)) then lowest = began end
end
if lowest and (not at or not kept or tonumber(lowest) < tonumber(at)) then
  at = lowest
  redis.call('SET', KEYS[1], at)
end
return at or '0'`)

// foldRows: KEYS folded, (rows, sums)…; ARGV from, next, (index of rows in KEYS, row, rank, status, time, message id, rest)…
// Of two facts of one rank the later status in the alphabet wins, then the earlier time, then the lesser rest; a message id, once known, stays.
var foldRows = redis.NewScript(`
local at = redis.call('GET', KEYS[1])
if not at or tonumber(at) < tonumber(ARGV[1]) then return 0 end
for i = 3, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 0 end
end
for i = 3, #ARGV, 7 do
  local rows, sums = KEYS[tonumber(ARGV[i])], KEYS[tonumber(ARGV[i]) + 1]
  local row, rank, status, time, id, rest = ARGV[i+1], ARGV[i+2], ARGV[i+3], ARGV[i+4], ARGV[i+5], ARGV[i+6]
  local old = redis.call('HGET', rows, row)
  if not old then
    redis.call('HSET', rows, row, rank..'\n'..status..'\n'..time..'\n'..id..'\n'..rest)
    redis.call('HINCRBY', sums, status, 1)
  else
    local r, s, t, m, o = string.match(old, '^(%d)\n(%a+)\n(%d+)\n([^\n]*)\n(.*)$')
    local wins = rank > r or rank == r and (status > s or status == s and (tonumber(time) < tonumber(t) or time == t and rest < o))
    if wins then
      if id == '' then id = m end
      redis.call('HSET', rows, row, rank..'\n'..status..'\n'..time..'\n'..id..'\n'..rest)
      if s ~= status then
        redis.call('HINCRBY', sums, s, -1)
        redis.call('HINCRBY', sums, status, 1)
      end
    elseif m == '' and id ~= '' then
      redis.call('HSET', rows, row, r..'\n'..s..'\n'..t..'\n'..id..'\n'..o)
    end
  end
end
if tonumber(ARGV[2]) > tonumber(at) then redis.call('SET', KEYS[1], ARGV[2]) end
return 1`)
