package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"optgate/pipeline/stream"
)

// patience is how long a log may seem to end before an offset that is known to be in it: after a change of leader the new
// one may need a moment to know how far the log goes.
const patience = 10 * time.Second

// Read gives each record of [from, to) in order, of any topic. to is known beforehand, as from Ends or an append; where
// compaction took the last records before it, reading ends there all the same. A log of a compacted topic may begin after
// from; any other that does not hold the whole range is stream.ErrTruncated. It stops with each's error, or ctx's.
func (b *Bus) Read(ctx context.Context, topic stream.Topic, partition int, from, to int64, each func(stream.Record) error) error {
	at := place{topic, partition}
	progress := time.Now()
	for from < to {
		p, err := b.fetchOne(ctx, at, from, 100*time.Millisecond, 4<<20)
		if oneOf(err, kafka.OffsetOutOfRange) {
			from, err = b.inRange(ctx, at, from)
		} else if err == nil && p.next == from {
			switch {
			case p.base >= 0:
				p.next, err = b.beyond(ctx, at, p.base, from, min(to, p.high))
			case time.Since(progress) > patience:
				err = truncated(at, from, from, p.high)
			}
		}
		if err != nil {
			return fmt.Errorf("read %s/%d from %d: %w", topic, partition, from, err)
		}
		for _, r := range p.records {
			if r.Offset >= to {
				return nil
			}
			if err := each(r); err != nil {
				return err
			}
		}
		if p.next > from {
			from, progress = p.next, time.Now()
		}
	}
	return nil
}

// inRange gives where to go on after an offset was out of range.
func (b *Bus) inRange(ctx context.Context, at place, offset int64) (int64, error) {
	first, end, err := b.Ends(ctx, at.topic, at.partition)
	switch {
	case err != nil:
		return offset, err
	case offset >= first && offset <= end:
		return offset, nil // a leader that was behind
	case offset < first && b.topics[at.topic].compacted:
		return first, nil
	}
	return offset, truncated(at, offset, first, end)
}

// At gives the record at an offset; stream.ErrTruncated if there is none.
func (b *Bus) At(ctx context.Context, topic stream.Topic, partition int, offset int64) (stream.Record, error) {
	at := place{topic, partition}
	p, err := b.fetchOne(ctx, at, offset, 0, 1)
	if err == nil && len(p.records) > 0 && p.records[0].Offset == offset {
		return p.records[0], nil
	}
	if err == nil || oneOf(err, kafka.OffsetOutOfRange) {
		err = stream.ErrTruncated
	}
	return stream.Record{}, fmt.Errorf("record %d of %s/%d: %w", offset, topic, partition, err)
}

// Ends gives the offset of the first record of a partition and the one after its last; equal where it is empty. It tries
// until ctx ends.
func (b *Bus) Ends(ctx context.Context, topic stream.Topic, partition int) (first, end int64, err error) {
	at := place{topic, partition}
	err = b.retry(ctx, final, func() error {
		if first, err = b.edge(ctx, at, kafka.FirstOffset); err != nil {
			return err
		}
		end, err = b.edge(ctx, at, kafka.LastOffset)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ends of %s/%d: %w", topic, partition, err)
	}
	return first, end, nil
}

// edge asks for one end of a log, or for the first record that is not older than a time in ms since 1970. kafka-go's own call reads a missing answer as 0, so the wire's answer is looked at here.
func (b *Bus) edge(ctx context.Context, at place, which int64) (int64, error) {
	message, err := b.roundTrip(ctx, &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{{
		Topic:      b.name(at.topic),
		Partitions: []listoffsets.RequestPartition{{Partition: int32(at.partition), CurrentLeaderEpoch: -1, Timestamp: which}},
	}}})
	if err != nil {
		return 0, err
	}
	for _, t := range message.(*listoffsets.Response).Topics {
		for _, p := range t.Partitions {
			if p.Partition != int32(at.partition) {
				continue
			}
			if p.ErrorCode == 0 && p.Offset < 0 && which >= 0 {
				return 0, errNoneSince
			}
			if p.ErrorCode == 0 && p.Offset < 0 {
				return 0, errNoAnswer
			}
			return p.Offset, coded(p.ErrorCode)
		}
	}
	return 0, errNoAnswer
}
