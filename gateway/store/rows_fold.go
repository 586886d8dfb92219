package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// foldAtOnce bounds one script of FoldRows, in facts. Only the last of several moves the position on: to fold facts again
// makes no difference.
const foldAtOnce = 2000

// foldTries bounds how often a fold begins anew because another runner's came between. One of two always gets through.
const foldTries = 100

var errFolding = errors.New("others fold the same rows all the time")

// FoldRows folds the facts at the offsets [from, next) of a shard's outcomes. Order and repeats make no difference: see
// broadcast.Outcome. Counts move with the rows. broadcast.ErrLost where something before from is not folded, or a broadcast
// is not open.
func (s *Store) FoldRows(ctx context.Context, shard int, from, next int64, facts []chat.Fact) error {
	for len(facts) > foldAtOnce {
		if err := s.foldSome(ctx, shard, from, from, facts[:foldAtOnce]); err != nil {
			return err
		}
		facts = facts[foldAtOnce:]
	}
	return s.foldSome(ctx, shard, from, next, facts)
}

func (s *Store) foldSome(ctx context.Context, shard int, from, next int64, facts []chat.Fact) error {
	byRef := map[broadcast.Ref][]chat.Fact{}
	for _, f := range facts {
		if f.Row > 0 && f.Status.Rank() > 0 {
			ref := broadcast.Ref{Account: f.Account, ID: f.Broadcast}
			byRef[ref] = append(byRef[ref], f)
		}
	}
	for range foldTries {
		switch said, err := s.tryFold(ctx, shard, from, next, byRef); {
		case err != nil:
			return fmt.Errorf("fold rows: %w", err)
		case said == foldDone:
			return nil
		case said == foldLost:
			return broadcast.ErrLost
		}
	}
	return errFolding
}

// What foldRows says.
const (
	foldLost    = 0
	foldDone    = 1
	foldChanged = 2 // meanwhile
)

// tryFold reads the rows that facts are about, folds these in, and writes the rows if nobody else did meanwhile.
func (s *Store) tryFold(ctx context.Context, shard int, from, next int64, byRef map[broadcast.Ref][]chat.Fact) (said int, err error) {
	type part struct {
		ref     broadcast.Ref
		numbers []int
		counts  *redis.MapStringStringCmd
		rows    rowReads
	}
	var parts []part
	pipe := s.rdb.TxPipeline()
	for ref, facts := range byRef {
		p := part{ref: ref, numbers: make([]int, len(facts))}
		for i, f := range facts {
			p.numbers[i] = f.Row
		}
		p.counts = pipe.HGetAll(ctx, s.key(shard, tallyName(ref)))
		p.rows = s.readRows(ctx, pipe, shard, ref, p.numbers)
		parts = append(parts, p)
	}
	if len(parts) > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return 0, err
		}
	}
	w := rowWrites{keys: []string{s.key(shard, keyFolded)}, head: []any{from, next, len(parts)}}
	for _, p := range parts {
		if p.counts.Val()[tallyUntil] == "" {
			return foldLost, nil
		}
		t, err := readTally(p.counts.Val())
		if err != nil {
			return 0, err
		}
		w.keys, w.head = append(w.keys, s.key(shard, tallyName(p.ref))), append(w.head, t.version)
		if err := s.foldPart(&w, shard, p.ref, t, &p.rows, byRef[p.ref], len(w.keys)); err != nil {
			return 0, err
		}
	}
	return foldRows.Run(ctx, s.rdb, append(w.keys, w.rest...), w.args(len(w.keys))...).Int()
}

// rowWrites gathers what a script writes. Keys of tallies stand first, so places among the others are shifted at the end.
type rowWrites struct {
	keys, rest []string
	head       []any
	writes     []rowWrite
}

type rowWrite struct {
	tally, other int // index from 1 in KEYS of a tally, or from 0 in rest
	field, value string
}

func (w *rowWrites) other(key, field, value string) {
	if n := len(w.rest); n == 0 || w.rest[n-1] != key {
		w.rest = append(w.rest, key)
	}
	w.writes = append(w.writes, rowWrite{other: len(w.rest) - 1, field: field, value: value})
}

func (w *rowWrites) args(before int) []any {
	args := slices.Grow(w.head, 3*len(w.writes))
	for _, one := range w.writes {
		at := one.tally
		if at == 0 {
			at = before + one.other + 1
		}
		args = append(args, at, one.field, one.value)
	}
	return args
}

// foldPart folds facts about one broadcast; its tally is KEYS[at].
func (s *Store) foldPart(w *rowWrites, shard int, ref broadcast.Ref, t *tally, read *rowReads, facts []chat.Fact, at int) error {
	rows := make(map[int]broadcast.Outcome, len(facts))
	before := make(map[int]broadcast.Outcome, len(facts))
	for _, f := range facts {
		o, known := rows[f.Row]
		if !known {
			var err error
			if o, err = read.outcome(t, f.Row); err != nil {
				return err
			}
			before[f.Row] = o
		}
		rows[f.Row] = o.Fold(f)
	}
	pieces := map[int]bool{}
	high := t.high
	for _, n := range slices.Sorted(maps.Keys(rows)) {
		o := rows[n]
		if o == before[n] {
			continue
		}
		basket, field, piece, place := place(n)
		stands := read.piece[piece]
		id, whole := t.id(o)
		if was := classAt(read.classes[stands], place); was != id {
			t.move(was, id)
			read.classes[stands] = setClass(read.classes[stands], place, id)
			pieces[piece] = true
		}
		key, packed := s.key(shard, basketName(ref, basket)), packRow(o, whole)
		first := min(len(packed), entryBytes)
		w.other(key, field, packed[:first])
		if first < len(packed) || read.long(basket, n) {
			w.other(key, rest(field), packed[first:])
		}
		high = max(high, n)
	}
	for _, piece := range slices.Sorted(maps.Keys(pieces)) {
		w.other(s.key(shard, piecesName(ref)), strconv.Itoa(piece), string(read.classes[read.piece[piece]]))
	}
	for _, id := range slices.Sorted(maps.Keys(t.changed)) {
		w.writes = append(w.writes, rowWrite{tally: at, field: strconv.Itoa(id), value: t.field(id)})
	}
	if high != t.high {
		w.writes = append(w.writes, rowWrite{tally: at, field: tallyHigh, value: strconv.Itoa(high)})
	}
	return nil
}

// foldRows: KEYS folded, tallies…, others…; ARGV from, next, number of tallies, their versions…, (index in KEYS, field, value)…
var foldRows = redis.NewScript(`
local at = redis.call('GET', KEYS[1])
if not at or tonumber(at) < tonumber(ARGV[1]) then return 0 end
local n = tonumber(ARGV[3])
for i = 1, n do
  local is = redis.call('HMGET', KEYS[1 + i], 'until', 'v')
  if not is[1] then return 0 end
  if (is[2] or '0') ~= ARGV[3 + i] then return 2 end
end
if #ARGV > 3 + n then
  for i = 1, n do redis.call('HINCRBY', KEYS[1 + i], 'v', 1) end
end
for i = 4 + n, #ARGV, 3 do redis.call('HSET', KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2]) end
if tonumber(ARGV[2]) > tonumber(at) then redis.call('SET', KEYS[1], ARGV[2]) end
return 1`)
