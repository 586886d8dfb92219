package shard

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"optgate/pipeline/stream"
)

// ledger is where the owner stands in its partition of consent.
type ledger struct {
	end   int64            // offset of the next append
	chain Chain            // over all rows before it
	done  map[string]int64 // rows written by an earlier owner after its last decision: cause → offset
	open  int64            // the commands of those rows stand before this offset
	said  time.Time        // the day whose beginning was told with its head
}

// cursor is what a decision says of the ledger. While rows wait there for commands that are still to be decided, it stays
// before them: the next owner has to find them again, or it would write them twice.
func (l *ledger) cursor(command int64, before Cursor) Cursor {
	if command < l.open {
		return Cursor{V: stream.Version, Command: command, Ledger: before.Ledger, Chain: before.Chain}
	}
	return Cursor{V: stream.Version, Command: command, Ledger: l.end, Chain: l.chain.String()}
}

// settle forgets rows of an earlier owner once all their commands are decided.
func (l *ledger) settle(command int64) {
	if command >= l.open {
		l.done, l.open = nil, 0
	}
}

// rowOf gives the offset of the row with a cause: where an earlier owner wrote it, else the next free one.
func (l *ledger) rowOf(next *int64) func(cause string) int64 {
	return func(cause string) int64 {
		if at, there := l.done[cause]; there {
			return at
		}
		at := *next
		*next++
		return at
	}
}

// append adds the rows that the ledger lacks, each chained to the one before.
func (o *Owner) append(ctx context.Context, rows []*stream.Record) error {
	l := &o.ledger
	missing := slices.DeleteFunc(slices.Clone(rows), func(r *stream.Record) bool {
		at, there := l.done[r.Header(HeaderCause)]
		r.Offset = at
		return there
	})
	if len(missing) == 0 {
		return nil
	}
	chain := l.chain
	for _, r := range missing {
		chain = chain.After(r)
		r.Headers = append(r.Headers, stream.Header{Key: HeaderChain, Value: chain.String()})
	}
	base, err := o.Log.Append(ctx, stream.Consent, missing)
	if err != nil {
		return err
	}
	if base != l.end {
		return fmt.Errorf("ledger continues at %d, not at %d: %w", base, l.end, stream.ErrDeposed)
	}
	l.end, l.chain = base+int64(len(missing)), chain
	return nil
}

// restore reads the cursor from the view, and the ledger rows that an earlier owner wrote without coming to its decision. The
// ledger is claimed only once it is known to hold all rows, so that claims fill no gap there either.
func (o *Owner) restore(ctx context.Context) (err error) {
	if o.cursor, err = o.cursorAt(ctx, o.at); err != nil {
		return err
	}
	if err := o.logsHold(ctx, o.cursor); err != nil {
		return err
	}
	end, err := o.mark(ctx, stream.Consent)
	if err != nil {
		return err
	}
	chain, err := o.chained(ctx)
	if err != nil {
		return err
	}
	o.cursor.Chain = chain.String()
	l := ledger{end: end + 1, chain: chain, done: map[string]int64{}, said: o.ledger.said}
	err = o.Reader.Read(ctx, stream.Consent, o.Shard, o.cursor.Ledger, end, func(r stream.Record) error {
		if !IsRow(&r) {
			return nil
		}
		l.chain = l.chain.After(&r)
		cause := r.Header(HeaderCause)
		offset, err := causeOffset(cause)
		if err == nil && offset >= o.cursor.Command {
			l.done[cause], l.open = r.Offset, max(l.open, offset+1)
		}
		return err
	})
	o.ledger = l
	return err
}

// chained gives the chain over all rows before the cursor: as the cursor says it, or, where the last decision was made before
// there were chains, of the rows themselves.
func (o *Owner) chained(ctx context.Context) (Chain, error) {
	if o.cursor.Chain != "" {
		chain, err := ParseChain(o.cursor.Chain)
		if err != nil {
			return chain, fmt.Errorf("cursor of shard %d: %w", o.Shard, err)
		}
		return chain, nil
	}
	chain := NewChain(o.Installation, o.Shard)
	first, _, err := o.Reader.Ends(ctx, stream.Consent, o.Shard)
	if err != nil {
		return chain, err
	}
	return chain, o.Reader.Read(ctx, stream.Consent, o.Shard, first, o.cursor.Ledger, func(r stream.Record) error {
		if IsRow(&r) {
			chain = chain.After(&r)
		}
		return nil
	})
}

// sayHead logs the head of the ledger's chain once a day, at the first turn after midnight UTC: whoever keeps logs elsewhere
// can prove with it that nothing before was changed since, for the line is a head as ledger verify takes it. The claim's own
// line has told the chain of the first day.
func (o *Owner) sayHead() {
	const day = 24 * time.Hour
	today := time.Now().UTC().Truncate(day)
	if !today.After(o.ledger.said) {
		return
	}
	if first := o.ledger.said.IsZero(); !first {
		o.Logger.Info().Int("partition", o.Shard).Str("day", today.Add(-day).Format(time.DateOnly)).Int64("offset", o.ledger.end-1).
			Str("chain", o.ledger.chain.String()).Msg("ledger head")
	}
	o.ledger.said = today
}

// causeOffset gives the command's offset in a ledger row's cause, "<offset>.<n>".
func causeOffset(cause string) (int64, error) {
	for i := range len(cause) {
		if cause[i] == '.' {
			return strconv.ParseInt(cause[:i], 10, 64)
		}
	}
	return 0, fmt.Errorf("ledger row without a cause: %w", stream.ErrVersion)
}
