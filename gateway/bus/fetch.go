package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"optgate/pipeline/stream"
)

// wanted is one partition of a fetch.
type wanted struct {
	at   place
	from int64
}

// fetched is the answer for one partition.
type fetched struct {
	page
	err error
}

// fetch asks one leader for the records of partitions that it leads, all in one request. It answers as soon as there is
// anything, or after wait. most bounds the bytes of a partition; a larger batch comes whole only for the first partition
// that has anything, so callers put those first that got nothing though there was something.
func (b *Bus) fetch(ctx context.Context, wants []wanted, wait time.Duration, most int) (map[place]fetched, error) {
	request := &fetch.Request{ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: 16 << 20, SessionEpoch: -1}
	topics, froms := map[string]int{}, make(map[place]int64, len(wants))
	for _, w := range wants {
		name := b.name(w.at.topic)
		t, ok := topics[name]
		if !ok {
			t = len(request.Topics)
			topics[name] = t
			request.Topics = append(request.Topics, fetch.RequestTopic{Topic: name})
		}
		request.Topics[t].Partitions = append(request.Topics[t].Partitions, fetch.RequestPartition{
			Partition: int32(w.at.partition), CurrentLeaderEpoch: -1, FetchOffset: w.from, LogStartOffset: -1, PartitionMaxBytes: int32(most)})
		froms[w.at] = w.from
	}
	message, err := b.roundTrip(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	response := message.(*fetch.Response)
	if err := coded(response.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	answers := make(map[place]fetched, len(wants))
	for _, t := range response.Topics {
		topic := b.short(t.Topic)
		for _, p := range t.Partitions {
			at := place{topic, int(p.Partition)}
			from, ours := froms[at]
			if !ours {
				continue
			}
			f := fetched{err: coded(p.ErrorCode)}
			if f.err == nil {
				f.page, f.err = decode(at, p.RecordSet, from)
			}
			f.high = p.HighWatermark
			if n := len(f.records); n > 0 { // brokers look it up before they read, and more may have come in between
				f.high = max(f.high, f.records[n-1].Offset+1)
			}
			answers[at] = f
		}
	}
	return answers, nil
}

// fetchOne asks for one partition, and tries again until ctx ends or the offset is out of range.
func (b *Bus) fetchOne(ctx context.Context, at place, from int64, wait time.Duration, most int) (page, error) {
	var got fetched
	stays := func(err error) bool { return final(err) || oneOf(err, kafka.OffsetOutOfRange) }
	err := b.retry(ctx, stays, func() error {
		answers, err := b.fetch(ctx, []wanted{{at, from}}, wait, most)
		if err != nil {
			return err
		}
		got = answers[at]
		return got.err
	})
	return got.page, err
}

// beyond gives the first offset from which on a fetch no longer answers with the batch that begins at base: the records of
// [at, beyond) were compacted away out of the end of that batch. Nothing after to is looked at.
func (b *Bus) beyond(ctx context.Context, at place, base, from, to int64) (int64, error) {
	inside := from // an offset of the batch
	outside := to
	for step := int64(1); inside+step < to; step *= 2 {
		p, err := b.fetchOne(ctx, at, inside+step, 0, 1)
		if err != nil {
			return 0, err
		}
		if p.base != base {
			outside = inside + step
			break
		}
		inside += step
	}
	for inside+1 < outside {
		middle := inside + (outside-inside)/2
		p, err := b.fetchOne(ctx, at, middle, 0, 1)
		if err != nil {
			return 0, err
		}
		if p.base == base {
			inside = middle
		} else {
			outside = middle
		}
	}
	return outside, nil
}

// truncated says that a log does not hold an offset.
func truncated(at place, offset, first, end int64) error {
	return fmt.Errorf("%s/%d holds %d to %d, not %d: %w", at.topic, at.partition, first, end, offset, stream.ErrTruncated)
}
