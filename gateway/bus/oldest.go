package bus

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// Backlog is what a group has not committed yet of a topic.
type Backlog struct {
	At   time.Time // header received_at of its oldest record; zero where everything is committed
	Lag  int64     // how many records it has
	Kept int64     // how many were ever appended to the topic, committed or not
}

// Oldest gives what a group has not committed, over all partitions of a topic. Any doubt is an error, stream.ErrTruncated
// where a committed offset lies outside of its log.
func (b *Bus) Oldest(ctx context.Context, group string, topic stream.Topic) (Backlog, error) {
	committed, err := b.committed(ctx, group, topic)
	if err != nil {
		return Backlog{}, fmt.Errorf("oldest of %s: %w", topic, err)
	}
	leaders, err := b.leaders(ctx)
	if err != nil {
		return Backlog{}, fmt.Errorf("oldest of %s: %w", topic, err)
	}
	byLeader := map[int32][]wanted{}
	for p, from := range committed {
		leader, known := leaders[place{topic, p}]
		if !known {
			return Backlog{}, fmt.Errorf("oldest of %s/%d: no leader", topic, p)
		}
		byLeader[leader] = append(byLeader[leader], wanted{place{topic, p}, from})
	}
	var wg sync.WaitGroup
	answers := make(chan backlog, len(byLeader))
	for _, wants := range byLeader {
		wg.Go(func() { answers <- b.backlog(ctx, wants) })
	}
	wg.Wait()
	close(answers)
	var sum Backlog
	for a := range answers {
		if a.err != nil {
			return Backlog{}, fmt.Errorf("oldest of %s: %w", topic, a.err)
		}
		sum.Lag += a.Lag
		sum.Kept += a.Kept
		sum.age(a.At)
	}
	return sum, nil
}

// age notes when a record of the backlog was received, if there is one.
func (b *Backlog) age(at time.Time) {
	if !at.IsZero() && (b.At.IsZero() || at.Before(b.At)) {
		b.At = at
	}
}

// committed gives a group's offset in each partition; where it has none, the log's first.
func (b *Bus) committed(ctx context.Context, group string, topic stream.Topic) (map[int]int64, error) {
	n := b.Partitions(topic)
	partitions := make([]int, n)
	for p := range partitions {
		partitions[p] = p
	}
	name := b.name(topic)
	response, err := b.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: b.cfg.Prefix + group, Topics: map[string][]int{name: partitions}})
	if err == nil {
		err = response.Error
	}
	offsets := make(map[int]int64, n)
	if oneOf(err, kafka.GroupIdNotFound) { // nobody has ever joined it
		err = nil
		for _, p := range partitions {
			if offsets[p], _, err = b.Ends(ctx, topic, p); err != nil {
				break
			}
		}
		return offsets, err
	}
	if err != nil {
		return nil, fmt.Errorf("committed offsets: %w", err)
	}
	for _, p := range response.Topics[name] {
		if p.Error != nil {
			return nil, fmt.Errorf("committed offset of partition %d: %w", p.Partition, p.Error)
		}
		offset := p.CommittedOffset
		if offset < 0 {
			if offset, _, err = b.Ends(ctx, topic, p.Partition); err != nil {
				return nil, err
			}
		}
		offsets[p.Partition] = offset
	}
	if len(offsets) < n {
		return nil, fmt.Errorf("committed offsets: %w", errNoAnswer)
	}
	return offsets, nil
}

// backlog is what waits in the partitions of one leader.
type backlog struct {
	Backlog
	err error
}

func (b *Bus) backlog(ctx context.Context, wants []wanted) (sum backlog) {
	answers, err := b.fetch(ctx, wants, 0, 64<<10)
	if err != nil {
		b.refresh()
		return backlog{err: err}
	}
	for _, w := range wants {
		got, answered := answers[w.at]
		switch {
		case !answered:
			return backlog{err: errNoAnswer}
		case oneOf(got.err, kafka.OffsetOutOfRange):
			return backlog{err: fmt.Errorf("%s/%d at %d: %w", w.at.topic, w.at.partition, w.from, stream.ErrTruncated)}
		case got.err != nil:
			b.refresh()
			return backlog{err: got.err}
		case got.high < w.from:
			return backlog{err: fmt.Errorf("%s/%d seems to end at %d, before %d", w.at.topic, w.at.partition, got.high, w.from)}
		}
		sum.Kept += got.high
		if got.high == w.from {
			continue
		}
		sum.Lag += got.high - w.from
		first, err := b.firstOf(ctx, w, got.page)
		if err != nil {
			return backlog{err: err}
		}
		received, err := strconv.ParseInt(first.Header("received_at"), 10, 64)
		if err != nil {
			return backlog{err: fmt.Errorf("%s/%d at %d: received_at: %w", w.at.topic, w.at.partition, first.Offset, err)}
		}
		sum.age(time.UnixMilli(received))
	}
	return sum
}

// firstOf gives the first record of a page, which is asked for alone if a fetch of many had no room for it.
func (b *Bus) firstOf(ctx context.Context, w wanted, p page) (stream.Record, error) {
	if len(p.records) > 0 {
		return p.records[0], nil
	}
	return b.At(ctx, w.at.topic, w.at.partition, w.from)
}
