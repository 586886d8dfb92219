package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// lateFacts remembers, of the archived broadcasts that were asked for last, what was told of them after their rows were written:
// receipts that come more than a day after the end. Each time only what is new in outcomes is read. The zero value is empty.
type lateFacts struct {
	mu   sync.Mutex
	kept map[broadcast.Ref]*late
}

// lateKept is how many broadcasts are remembered.
const lateKept = 32

// late is what is known of one broadcast.
type late struct {
	turn  chan struct{} // holds one element while somebody reads
	next  int64         // offset of outcomes up to which it was read
	facts map[int][]chat.Fact
	asked time.Time
}

// of gives the later facts of an archived broadcast, by row, in the order of the log. Where there is too much to read for one
// call it refuses with fault.NotCertain, and the next call goes on.
func (l *lateFacts) of(ctx context.Context, a *API, b broadcast.Broadcast) (map[int][]chat.Fact, error) {
	at := b.Ref().Shard(a.Shards)
	_, end, err := a.Topics.Ends(ctx, stream.Outcomes, at)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "unavailable", "The report can't be read now. Try again.")
	}
	one := l.entry(b, a.Now())
	select {
	case one.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, errReadBack(ctx.Err())
	}
	defer func() { <-one.turn }()
	if one.next < end {
		err = a.Topics.Read(ctx, stream.Outcomes, at, one.next, end, func(r stream.Record) error {
			one.next = r.Offset + 1
			return one.take(b, r)
		})
		switch {
		case errors.Is(err, stream.ErrTruncated):
			return nil, errRowsGone()
		case ctx.Err() != nil:
			return nil, errReadBack(err)
		case err != nil:
			return nil, fmt.Errorf("read outcomes: %w", err)
		}
		one.next = end
	}
	known := make(map[int][]chat.Fact, len(one.facts))
	for n, facts := range one.facts {
		known[n] = slices.Clip(facts)
	}
	return known, nil
}

func errReadBack(err error) error {
	return fault.Wrap(err, fault.NotCertain, "not_certain", "The report is being read back. Ask again in a moment.")
}

// take keeps a fact about the broadcast.
func (one *late) take(b broadcast.Broadcast, r stream.Record) error {
	if string(r.Key) != b.ID || r.Header(stream.HeaderType) == stream.TypeArchive {
		return nil
	}
	var f chat.Fact
	if json.Unmarshal(r.Value, &f) != nil || !b.About(f) {
		return nil
	}
	if slices.Contains(one.facts[f.Row], f) {
		return nil
	}
	one.facts[f.Row] = append(one.facts[f.Row], f)
	return nil
}

// entry gives what is remembered of a broadcast, and forgets the one that was asked for longest ago where there are too many.
func (l *lateFacts) entry(b broadcast.Broadcast, now time.Time) *late {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.kept[b.Ref()]
	if one == nil {
		if l.kept == nil {
			l.kept = map[broadcast.Ref]*late{}
		}
		if len(l.kept) >= lateKept {
			var oldest broadcast.Ref
			for ref, other := range l.kept {
				if oldest.ID == "" || other.asked.Before(l.kept[oldest].asked) {
					oldest = ref
				}
			}
			delete(l.kept, oldest)
		}
		one = &late{turn: make(chan struct{}, 1), next: b.Archived.From, facts: map[int][]chat.Fact{}}
		l.kept[b.Ref()] = one
	}
	one.asked = now
	return one
}
