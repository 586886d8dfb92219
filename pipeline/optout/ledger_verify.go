package optout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Head is the chain of one partition of the ledger as it was over all rows up to an offset. Kept where whoever may write to
// Kafka can't reach it, it proves that none of those rows was changed since.
type Head struct {
	Day       string `json:"day,omitempty"` // UTC, as 2026-11-22; for people
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Chain     string `json:"chain"`
}

// Verdict is what was found out about one partition of the ledger.
type Verdict struct {
	Partition int      `json:"partition"`
	Rows      int64    `json:"rows"`
	FirstRow  int64    `json:"first_row"` // offset; NoRow where there is none
	LastRow   int64    `json:"last_row"`
	Unchained int64    `json:"unchained"` // rows that show no chain; only those from before there were chains may
	Head      string   `json:"head"`      // the chain as computed over all rows
	Heads     int      `json:"heads"`     // of those given, that stand
	OK        bool     `json:"ok"`
	Problem   *Problem `json:"problem,omitempty"` // the first
	Problems  int      `json:"problems"`
}

// Problem is a place at which the ledger isn't what it was.
type Problem struct {
	Offset int64  `json:"offset"`
	What   string `json:"what"`
}

// entriesSeen bounds how many entries a Verifier remembers the last row of. Whose is forgotten is looked up.
const entriesSeen = 1 << 20

// Verifier reads one partition of the ledger from its first record to its last and computes the chain anew. Its memory does
// not grow with the log.
type Verifier struct {
	verdict Verdict
	chain   shard.Chain  // over all rows as they stand there
	near    *shard.Chain // after a break: as rows say it, so that the next break is found too
	chained bool         // a row has shown its chain: from then on all do
	cursor  shard.Cursor
	agreed  bool // the cursor was compared
	heads   []Head
	look    func(ctx context.Context, offset int64) (stream.Record, error)
	last    map[entryName]int64 // the last row of each entry
	names   map[entryOf]int32
	most    int
}

// entryOf names a list's entries on a channel, entryName one of them.
type (
	entryOf   struct{ account, list, channel string }
	entryName struct {
		who chat.Pseudonym
		of  int32
	}
)

// NewVerifier begins with a partition. cursor is the one that state holds, read before the end of the ledger was asked for;
// heads are those of this partition that must stand. look gives the record at an offset; stream.ErrTruncated where there is
// none.
func NewVerifier(installation string, partition int, cursor shard.Cursor, heads []Head, look func(ctx context.Context, offset int64) (stream.Record, error)) *Verifier {
	v := &Verifier{
		verdict: Verdict{Partition: partition, FirstRow: NoRow, LastRow: NoRow}, chain: shard.NewChain(installation, partition),
		cursor: cursor, agreed: cursor.Chain == "", heads: slices.Clone(heads), look: look,
		last: map[entryName]int64{}, names: map[entryOf]int32{}, most: entriesSeen,
	}
	slices.SortFunc(v.heads, func(a, b Head) int { return cmp.Compare(a.Offset, b.Offset) })
	return v
}

// Take takes the next record. Its error is look's; what is wrong with the ledger stands in the verdict.
func (v *Verifier) Take(ctx context.Context, r *stream.Record) error {
	v.compare(r.Offset)
	if !shard.IsRow(r) {
		return nil
	}
	v.verdict.Rows++
	if v.verdict.FirstRow == NoRow {
		v.verdict.FirstRow = r.Offset
	}
	v.verdict.LastRow = r.Offset
	v.chain = v.chain.After(r)
	want := v.chain
	if v.near != nil {
		*v.near = v.near.After(r)
		want = *v.near
	}
	switch told := r.Header(shard.HeaderChain); told {
	case want.String():
		v.chained = true
	case "":
		v.verdict.Unchained++
		if v.chained {
			v.problem(r.Offset, "this row shows no chain, though rows before it do: no owner wrote it so")
		}
	default:
		v.problem(r.Offset, "the chain breaks: this row or its chain was changed, or rows between it and the last good one were removed, added or moved")
		if chain, err := shard.ParseChain(told); err == nil {
			v.near = &chain // what comes after it may be whole in itself
		}
	}
	return v.follow(ctx, r)
}

// follow looks where the row's pointer to the entry's row before it leads.
func (v *Verifier) follow(ctx context.Context, r *stream.Record) error {
	var row Row
	if err := json.Unmarshal(r.Value, &row); err != nil {
		v.problem(r.Offset, "this is no row of a ledger")
		return nil
	}
	name := v.name(row)
	if row.Prev != NoRow {
		before, known := v.last[name]
		switch {
		case row.Prev < 0 || row.Prev >= r.Offset || known && before != row.Prev:
			v.problem(r.Offset, "this row does not point to the entry's row before it")
		case !known:
			if err := v.lookUp(ctx, r.Offset, row); err != nil {
				return err
			}
		}
	}
	if _, known := v.last[name]; !known && len(v.last) >= v.most {
		for other := range v.last { // any: it would be looked up
			delete(v.last, other)
			break
		}
	}
	v.last[name] = r.Offset
	return nil
}

func (v *Verifier) lookUp(ctx context.Context, at int64, row Row) error {
	r, err := v.look(ctx, row.Prev)
	if err != nil && !errors.Is(err, stream.ErrTruncated) {
		return err
	}
	var before Row
	if err != nil || json.Unmarshal(r.Value, &before) != nil || v.name(before) != v.name(row) {
		v.problem(at, "this row points to another entry's")
	}
	return nil
}

func (v *Verifier) name(row Row) entryName {
	of := entryOf{row.Account, row.List, row.Channel}
	n, known := v.names[of]
	if !known {
		n = int32(len(v.names))
		v.names[of] = n
	}
	return entryName{row.Pseudonym, n}
}

// compare holds the chain of all rows before an offset against the cursor and the heads that speak of them.
func (v *Verifier) compare(before int64) {
	if !v.agreed && v.cursor.Ledger <= before {
		v.agreed = true
		if v.chain.String() != v.cursor.Chain {
			v.problem(v.cursor.Ledger, "the last decision in state knows other rows before this offset")
		}
	}
	for len(v.heads) > 0 && v.heads[0].Offset < before {
		if v.heads[0].Chain == v.chain.String() {
			v.verdict.Heads++
		} else {
			v.problem(v.heads[0].Offset, "the head that was kept for this offset is another: rows up to here were changed since")
		}
		v.heads = v.heads[1:]
	}
}

// End gives the verdict. end is the offset after the log's last record.
func (v *Verifier) End(end int64) Verdict {
	v.compare(end)
	if !v.agreed {
		v.problem(end, fmt.Sprintf("rows at the end were removed: the last decision in state knows records up to %d", v.cursor.Ledger-1))
	}
	for _, h := range v.heads {
		v.problem(end, fmt.Sprintf("rows at the end were removed: a head was kept for offset %d", h.Offset))
	}
	v.heads, v.agreed = nil, true
	v.verdict.Head, v.verdict.OK = v.chain.String(), v.verdict.Problem == nil
	return v.verdict
}

func (v *Verifier) problem(offset int64, what string) {
	v.verdict.Problems++
	if v.verdict.Problem == nil {
		v.verdict.Problem = &Problem{Offset: offset, What: what}
	}
}
