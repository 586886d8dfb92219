package bustest

import (
	"time"

	"optgate/pipeline/stream"
)

// timesHaveOffsets: a time leads to the first record that is not older, and beyond the last to the end.
func timesHaveOffsets(h *harness) {
	b := h.ready()
	at := func(t time.Time) int64 {
		h.Helper()
		offset, err := b.Since(h.ctx, stream.Inbound, 2, t)
		h.must(err)
		return offset
	}
	if n := at(time.Now()); n != 0 {
		h.Errorf("in an empty partition at %d", n)
	}
	var times []time.Time
	for range 3 {
		last := time.Now().UnixMilli()
		h.eventually("a millisecond is over", func() bool { return time.Now().UnixMilli() > last })
		r := &stream.Record{Topic: stream.Inbound, Partition: 2, Value: []byte("{}")}
		h.must(b.Publish(h.ctx, r))
		kept, err := b.At(h.ctx, stream.Inbound, 2, r.Offset)
		h.must(err)
		times = append(times, kept.Time)
	}
	for n, t := range times {
		if got := at(t); got != int64(n) {
			h.Errorf("the time of record %d leads to %d", n, got)
		}
	}
	if got := at(times[2].Add(time.Hour)); got != 3 {
		h.Errorf("an hour later leads to %d", got)
	}
	for _, early := range []time.Time{{}, time.UnixMilli(0), times[0].Add(-time.Hour)} {
		if got := at(early); got != 0 {
			h.Errorf("%v leads to %d", early, got)
		}
	}
}
