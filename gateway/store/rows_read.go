package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// Rows gives what became of rows, in their order; the zero Outcome of one that is queued. It refuses with fault.NotCertain
// where Redis lost them and they are not all there again.
func (s *Store) Rows(ctx context.Context, b broadcast.Broadcast, numbers []int) ([]broadcast.Outcome, error) {
	var counts *redis.MapStringStringCmd
	var read rowReads
	err := s.folded(ctx, b, func(pipe redis.Pipeliner, shard int) {
		counts = pipe.HGetAll(ctx, s.key(shard, tallyName(b.Ref())))
		read = s.readRows(ctx, pipe, shard, b.Ref(), numbers)
	})
	if err != nil {
		return nil, err
	}
	t, err := readTally(counts.Val())
	if err != nil {
		return nil, err
	}
	outcomes := make([]broadcast.Outcome, len(numbers))
	for i, n := range numbers {
		if outcomes[i], err = read.outcome(t, n); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// rowReads is a read of some rows.
type rowReads struct {
	rows   map[int]*redis.SliceCmd // by basket
	fields map[int][]string
	at     map[int]int // row → where it stands in its basket's read
	pieces *redis.SliceCmd
	piece  map[int]int // number of a piece → where it stands in that read

	baskets map[int][][]byte
	classes [][]byte
}

func (s *Store) readRows(ctx context.Context, pipe redis.Pipeliner, shard int, r broadcast.Ref, numbers []int) rowReads {
	read := rowReads{rows: map[int]*redis.SliceCmd{}, fields: map[int][]string{}, at: make(map[int]int, len(numbers)), piece: map[int]int{}}
	var pieces []string
	for _, n := range numbers {
		if _, twice := read.at[n]; twice {
			continue
		}
		basket, field, piece, _ := place(n)
		read.at[n] = len(read.fields[basket])
		read.fields[basket] = append(read.fields[basket], field, rest(field))
		if _, known := read.piece[piece]; !known {
			read.piece[piece] = len(pieces)
			pieces = append(pieces, strconv.Itoa(piece))
		}
	}
	for basket, fields := range read.fields {
		read.rows[basket] = pipe.HMGet(ctx, s.key(shard, basketName(r, basket)), fields...)
	}
	if len(pieces) > 0 {
		read.pieces = pipe.HMGet(ctx, s.key(shard, piecesName(r)), pieces...)
	}
	return read
}

// outcome gives a row, once the pipeline was executed.
func (read *rowReads) outcome(t *tally, n int) (broadcast.Outcome, error) {
	if read.baskets == nil {
		read.baskets = map[int][][]byte{}
		if read.pieces != nil {
			read.classes = values(read.pieces.Val())
		}
		for basket, rows := range read.rows {
			read.baskets[basket] = values(rows.Val())
		}
	}
	basket, _, piece, at := place(n)
	id := classAt(read.classes[read.piece[piece]], at)
	if id == 0 {
		return broadcast.Outcome{}, nil
	}
	c, known := t.byID[id]
	entries := read.baskets[basket][read.at[n]:]
	if !known || entries[0] == nil {
		return broadcast.Outcome{}, errRow
	}
	return unpackRow(string(entries[0])+string(entries[1]), c)
}

// long says that a row has a second entry.
func (read *rowReads) long(basket, n int) bool { return len(read.baskets[basket][read.at[n]+1]) > 0 }

// RowCounts counts a broadcast's rows that have a fact. It costs the same however many they are.
func (s *Store) RowCounts(ctx context.Context, b broadcast.Broadcast) ([]broadcast.Count, error) {
	t, err := s.tally(ctx, b)
	if err != nil {
		return nil, err
	}
	return t.counts(), nil
}

func (s *Store) tally(ctx context.Context, b broadcast.Broadcast) (*tally, error) {
	var read *redis.MapStringStringCmd
	err := s.folded(ctx, b, func(pipe redis.Pipeliner, shard int) {
		read = pipe.HGetAll(ctx, s.key(shard, tallyName(b.Ref())))
	})
	if err != nil {
		return nil, err
	}
	return readTally(read.Val())
}

// FindRows gives the numbers of the first rows from a number on that fit, at most so many, in their order. It reads two bytes for
// each row that it passes.
func (s *Store) FindRows(ctx context.Context, b broadcast.Broadcast, f broadcast.Filter, from, most int) (numbers []int, err error) {
	t, err := s.tally(ctx, b)
	if err != nil {
		return nil, err
	}
	fits := map[int]bool{0: f.Fits(chat.Queued, "", "")}
	some := fits[0]
	for id, c := range t.byID {
		fits[id] = c.N > 0 && f.Fits(c.Status, c.Error, c.List)
		some = some || fits[id]
	}
	if !some {
		return nil, nil
	}
	err = s.eachPiece(ctx, b.Ref().Shard(s.shards), b.Ref(), from, b.Audience, func(first int, piece []byte) bool {
		for n := max(first, from); n < first+pieceRows && n <= b.Audience && len(numbers) < most; n++ {
			if fits[classAt(piece, (n-first)*classWidth)] {
				numbers = append(numbers, n)
			}
		}
		return len(numbers) < most
	})
	return numbers, err
}

// folded reads rows or totals together with how far they are folded, and refuses with fault.NotCertain where Redis lost them
// and they are not all there again. Those of a broadcast that has not begun may not be there, and nothing is missing.
func (s *Store) folded(ctx context.Context, b broadcast.Broadcast, read func(pipe redis.Pipeliner, shard int)) error {
	shard := b.Ref().Shard(s.shards)
	pipe := s.rdb.TxPipeline()
	folded := pipe.Get(ctx, s.key(shard, keyFolded))
	until := pipe.HGet(ctx, s.key(shard, tallyName(b.Ref())), tallyUntil)
	read(pipe, shard)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return uncertain(fmt.Errorf("read the report: %w", err))
	}
	wanted, err := until.Int64()
	if errors.Is(err, redis.Nil) && unheard(b) {
		return nil
	}
	if at, wrong := folded.Int64(); err != nil || wrong != nil || at < wanted {
		return uncertain(errUnfolded)
	}
	return nil
}

var errUnfolded = errors.New("outcomes are not folded yet")
