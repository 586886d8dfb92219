package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// grace is how long a batch that is being handled may go on after its partition was taken away or the consumer was stopped.
// The next owner waits for it, up to the group's rebalance timeout.
const grace = 2 * time.Second

// Consume handles a topic as a member of a group until ctx ends, at least once: records of a partition come in order, in
// batches, and are committed within their generation after handle has returned nil. handle runs at once for different
// partitions, never for the same one. Its error is logged, and the same batch comes again, a little later each time; a
// panic is such an error. What can never be handled, handle has to put aside itself. The error is ctx's, or
// stream.ErrTruncated when the group had committed an offset that the log no longer holds: records were lost unread.
func (b *Bus) Consume(ctx context.Context, group string, topic stream.Topic, handle func(context.Context, []stream.Record) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	err := b.member(ctx, group, []stream.Topic{topic}, func(g *kafka.Generation) {
		commits := &committer{generation: g, topic: b.name(topic), offsets: map[int]int64{}}
		for _, a := range g.Assignments[b.name(topic)] {
			c := &consumer{b: b, group: group, at: place{topic, a.ID}, from: a.Offset, handle: handle, commits: commits}
			g.Start(func(alive context.Context) {
				if err := c.run(ctx, alive); err != nil {
					fail(err)
				}
			})
		}
	})
	return fmt.Errorf("consume %s: %w", topic, err)
}

// consumer handles one partition for one generation.
type consumer struct {
	b       *Bus
	group   string
	at      place
	from    int64 // negative: nothing was ever committed
	handle  func(context.Context, []stream.Record) error
	commits *committer
}

// run handles until alive, the generation, ends. An error is for good.
func (c *consumer) run(ctx, alive context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(alive, func() {
		pause(work, grace)
		cancel()
	})
	defer stop()
	if c.from < 0 {
		first, _, err := c.b.Ends(alive, c.at.topic, c.at.partition)
		if err != nil {
			return nil //nolint:nilerr // the generation has ended before Kafka answered
		}
		c.from = first
	}
	f := c.b.Follow(c.at.topic, c.at.partition, c.from)
	defer f.Close()
	for {
		round, err := f.Next(alive)
		if errors.Is(err, stream.ErrTruncated) {
			return err
		}
		if err != nil || !c.settle(work, alive, round.Records) {
			return nil
		}
	}
}

// settle handles and commits a batch; false if the generation is over.
func (c *consumer) settle(work, alive context.Context, batch []stream.Record) bool {
	if len(batch) == 0 {
		return true
	}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		err := guarded(work, batch, c.handle)
		if err == nil {
			break
		}
		level := zerolog.ErrorLevel
		if kind := fault.KindOf(err); kind == fault.NotCertain || kind == fault.Unavailable {
			level = zerolog.InfoLevel // what it stands on is away for now, as in every failover
		}
		c.b.log.WithLevel(level).Err(err).Str("group", c.group).Str("topic", string(c.at.topic)).Int("partition", c.at.partition).
			Int64("offset", batch[0].Offset).Int("records", len(batch)).Msg("batch not handled; trying again")
		if !pause(alive, wait) {
			return false
		}
	}
	if err := c.commits.commit(c.at.partition, batch[len(batch)-1].Offset+1); err != nil {
		c.b.log.Info().Err(err).Str("group", c.group).Str("topic", string(c.at.topic)).Int("partition", c.at.partition).
			Msg("batch handled and not committed; it will come again")
		return false
	}
	return true
}

// guarded turns a panic into an error with its stack.
func guarded(ctx context.Context, batch []stream.Record, handle func(context.Context, []stream.Record) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return handle(ctx, batch)
}

// committer commits for all partitions of a generation: what comes while a commit is on its way goes with the next.
type committer struct {
	generation *kafka.Generation
	topic      string

	mu      sync.Mutex
	offsets map[int]int64
	waiting []chan error
	busy    bool
}

func (c *committer) commit(partition int, offset int64) error {
	done := make(chan error, 1)
	c.mu.Lock()
	c.offsets[partition] = offset
	c.waiting = append(c.waiting, done)
	if !c.busy {
		c.busy = true
		for len(c.waiting) > 0 {
			offsets, waiting := c.offsets, c.waiting
			c.offsets, c.waiting = map[int]int64{}, nil
			c.mu.Unlock()
			err := c.generation.CommitOffsets(map[string]map[int]int64{c.topic: offsets})
			for _, w := range waiting {
				w <- err
			}
			c.mu.Lock()
		}
		c.busy = false
	}
	c.mu.Unlock()
	return <-done
}
