package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/broadcast"
)

// dropAfter is how long the rows of a forgotten broadcast stay, for whoever is reading them.
const dropAfter = 10 * time.Minute

// OpenRows makes the rows of a shard's broadcasts ready for FoldRows. It gives the offset of outcomes up to which all of
// them are folded, and, of broadcasts that have not finished, the rows that have a fact. Broadcasts that are not there, because they
// are new or because Redis lost them, are folded from the offset noted in them, or from first, where the partition begins; until
// that has reached the offset until, counts and rows of one that had begun are not certain.
func (s *Store) OpenRows(ctx context.Context, shard int, first, until int64, all []broadcast.Broadcast) (int64, map[broadcast.Ref][]int, error) {
	keys, args := []string{s.key(shard, keyFolded)}, make([]any, 1, 1+2*len(all))
	args[0] = first
	for _, b := range all {
		certainFrom := until
		if unheard(b) {
			certainFrom = 0
		}
		keys = append(keys, s.key(shard, tallyName(b.Ref())))
		args = append(args, max(b.Outcomes, first), certainFrom)
	}
	next, err := openRows.Run(ctx, s.rdb, keys, args...).Int64()
	if err != nil {
		return 0, nil, fmt.Errorf("open rows: %w", err)
	}
	known := map[broadcast.Ref][]int{}
	for _, b := range all {
		if b.Status == broadcast.Finished {
			continue // nobody asks which of its rows have one
		}
		ref := b.Ref()
		high, err := s.highest(ctx, shard, ref)
		if err != nil {
			return 0, nil, err
		}
		err = s.eachPiece(ctx, shard, ref, 1, high, func(first int, piece []byte) bool {
			for at := 0; at+classWidth <= len(piece); at += classWidth {
				if classAt(piece, at) != 0 {
					known[ref] = append(known[ref], first+at/classWidth)
				}
			}
			return true
		})
		if err != nil {
			return 0, nil, err
		}
	}
	return next, known, nil
}

// unheard says that nothing has been said about a broadcast that could not be said again: it has not begun, and nobody has cancelled it.
func unheard(b broadcast.Broadcast) bool {
	return b.Status == broadcast.Planned || b.Status == broadcast.Paused && b.Started == 0
}

// highest gives the highest row that has a fact; 0 where none has.
func (s *Store) highest(ctx context.Context, shard int, r broadcast.Ref) (int, error) {
	high, err := s.rdb.HGet(ctx, s.key(shard, tallyName(r)), tallyHigh).Int()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read rows: %w", err)
	}
	return high, nil
}

// piecesAtOnce bounds one read of pieces: 64 KiB, the classes of 32,768 rows.
const piecesAtOnce = 64

// eachPiece reads the pieces that hold the rows [from, to], until each says false; first is a piece's first row.
func (s *Store) eachPiece(ctx context.Context, shard int, r broadcast.Ref, from, to int, each func(first int, piece []byte) bool) error {
	for next := (max(from, 1) - 1) / pieceRows; next*pieceRows < to; next += piecesAtOnce {
		var fields []string
		for n := next; n < next+piecesAtOnce && n*pieceRows < to; n++ {
			fields = append(fields, strconv.Itoa(n))
		}
		read, err := s.rdb.HMGet(ctx, s.key(shard, piecesName(r)), fields...).Result()
		if err != nil {
			return uncertain(fmt.Errorf("read the classes of rows: %w", err))
		}
		for i, piece := range values(read) {
			if !each((next+i)*pieceRows+1, piece) {
				return nil
			}
		}
	}
	return nil
}

// DropRows lets a broadcast's rows go in a while.
func (s *Store) DropRows(ctx context.Context, shard int, r broadcast.Ref) error {
	high, err := s.highest(ctx, shard, r)
	if err != nil {
		return err
	}
	keys := []string{s.key(shard, piecesName(r))}
	for n := 0; n*basketRows < high; n++ {
		keys = append(keys, s.key(shard, basketName(r, n)))
	}
	keys = append(keys, s.key(shard, tallyName(r))) // the last, since it tells of the others
	for some := range slices.Chunk(keys, 1000) {
		pipe := s.rdb.Pipeline()
		for _, key := range some {
			pipe.Expire(ctx, key, dropAfter)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("drop rows: %w", err)
		}
	}
	return nil
}

// openRows: KEYS folded, tallies…; ARGV first, (began, until)… for each tally.
var openRows = redis.NewScript(`
local at = redis.call('GET', KEYS[1])
if at and tonumber(at) < tonumber(ARGV[1]) then
  at = ARGV[1]
  redis.call('SET', KEYS[1], at)
end
local lowest, kept = nil, false
for i = 2, #KEYS do
  local began = ARGV[2 * i - 2]
  local new = redis.call('HSETNX', KEYS[i], 'until', ARGV[2 * i - 1]) == 1
  if not new then kept = true end
  if (new or not at) and (not lowest or tonumber(began) < tonumber(lowest)) then lowest = began end
end
if lowest and (not at or not kept or tonumber(lowest) < tonumber(at)) then
  at = lowest
  redis.call('SET', KEYS[1], at)
end
return at or '0'`)
