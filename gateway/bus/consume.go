package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
// batches, and are committed within their generation after handle has returned nil: in the background, so that the next
// batch doesn't wait for it. handle runs at once for different partitions, never for the same one. Its error is logged, and
// the same batch comes again, a little later each time; a panic is such an error. What can never be handled, handle has to
// put aside itself. The error is ctx's, or stream.ErrTruncated when the group had committed an offset that the log no longer
// holds: records were lost unread.
func (b *Bus) Consume(ctx context.Context, group string, topic stream.Topic, handle func(context.Context, []stream.Record) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	err := b.member(ctx, group, []stream.Topic{topic}, func(g *kafka.Generation) {
		commits := newCommitter(g, b.name(topic), b.log)
		for _, a := range g.Assignments[b.name(topic)] {
			c := &consumer{b: b, group: group, at: place{topic, a.ID}, from: a.Offset, handle: handle, commits: commits}
			commits.consumers.Add(1)
			g.Start(func(alive context.Context) {
				defer commits.consumers.Done()
				if err := c.run(ctx, alive); err != nil {
					fail(err)
				}
			})
		}
		g.Start(commits.run)
		g.Start(commits.watch)
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

// settle handles a batch and has it committed; false if the generation is over.
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
	c.commits.note(c.at.partition, batch[len(batch)-1].Offset+1)
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
