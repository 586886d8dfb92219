package optout

import (
	"time"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Days finds the head of each UTC day among the records of one partition of the ledger. A row counts to the day on which it
// was written; rows that show no chain count to none.
type Days struct {
	head  Head
	day   time.Time
	there bool
}

// Take takes the next record, and gives the head of the day before where a new one begins.
func (d *Days) Take(r *stream.Record) (head Head, ended bool) {
	chain := r.Header(shard.HeaderChain)
	if !shard.IsRow(r) || chain == "" {
		return Head{}, false
	}
	day := r.Time.UTC().Truncate(24 * time.Hour)
	if d.there && day.After(d.day) {
		head, ended = d.head, true
	}
	if !d.there || day.After(d.day) { // clocks of owners differ: a day that has begun does not go back
		d.day, d.there = day, true
	}
	d.head = Head{Day: d.day.Format(time.DateOnly), Partition: r.Partition, Offset: r.Offset, Chain: chain}
	return head, ended
}

// End gives the head of the last day; false where there was no row.
func (d *Days) End() (Head, bool) { return d.head, d.there }
