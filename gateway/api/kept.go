package api

import (
	"context"
	"strconv"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// KeptOptions is what the ledger's proof, replays and tail need besides.
type KeptOptions struct {
	// Since gives the offset of the first record of a partition that is not older than a time, or the one after its last.
	Since func(ctx context.Context, topic stream.Topic, partition int, t time.Time) (int64, error)
	// Decode understands a record of inbound, Salvage finds sender and words in one that Decode refuses.
	Decode  func(value []byte) (chat.Inbound, error)
	Salvage func(value []byte) (chat.Inbound, bool)
}

// stretch is a part of a partition.
type stretch struct {
	partition int
	from, to  int64
}

// stretches gives what each partition of a topic holds, from the first record that is not older than a time on (zero: all).
func (a *API) stretches(ctx context.Context, topic stream.Topic, since time.Time) ([]stretch, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	parts := make([]stretch, a.Topics.Partitions(topic))
	for p := range parts {
		first, end, err := a.Topics.Ends(ctx, topic, p)
		if err == nil && !since.IsZero() && first < end {
			var from int64
			from, err = a.Kept.Since(ctx, topic, p, since)
			first = min(max(first, from), end)
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "kafka_away", "Kafka does not answer. Try again.")
		}
		parts[p] = stretch{p, first, end}
	}
	return parts, nil
}

// instantOf reads a time: as RFC 3339, as a day in UTC, or as how long ago it was, in days, hours or minutes (7d, 12h, 30m).
// "" is the zero time.
func instantOf(text string, now time.Time) (t time.Time, ok bool) {
	if text == "" {
		return t, true
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	unit, known := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute}[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 16) // 65,535 days are more than anything is kept
	if !known || err != nil {
		return t, false
	}
	return now.Add(-time.Duration(n) * unit), true
}

// instant gives a parameter of the query that is a time.
func (c *call) instant(name string) (time.Time, error) {
	t, ok := instantOf(c.query(name), c.api.Now())
	if !ok {
		return t, wrongField(fault.Invalid, name, "not_a_time", notATime)
	}
	return t, nil
}

const notATime = "is a time as 2026-11-22T10:00:00Z, a day as 2026-11-22, or how long ago as 7d, 12h or 30m"
