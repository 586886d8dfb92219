package bus

import (
	"context"
	"sync"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
)

// committer commits for all partitions of a generation, one request at a time: what is handled while one is on its way goes
// with the next.
type committer struct {
	generation *kafka.Generation
	topic      string
	log        zerolog.Logger
	consumers  sync.WaitGroup // that may still note something
	wake       chan struct{}
	failed     chan struct{} // closed: the generation has to end, since what was handled can't be committed in it

	mu      sync.Mutex
	offsets map[int]int64 // handled, and no request names them yet
}

func newCommitter(g *kafka.Generation, topic string, log zerolog.Logger) *committer {
	return &committer{
		generation: g, topic: topic, log: log, offsets: map[int]int64{},
		wake: make(chan struct{}, 1), failed: make(chan struct{}),
	}
}

// note says that everything of a partition before an offset is handled.
func (c *committer) note(partition int, offset int64) {
	c.mu.Lock()
	c.offsets[partition] = offset
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run commits what is noted until the generation ends and none of its consumers is at work any more. kafka-go leaves a
// generation only after that, so that the next one begins where this one was.
func (c *committer) run(alive context.Context) {
	for fine := true; ; {
		select {
		case <-c.wake:
			if err := c.commit(); err != nil && fine {
				fine = false
				c.log.Info().Err(err).Str("topic", c.topic).Msg("handled and not committed; it may come again")
				close(c.failed)
			}
		case <-alive.Done():
			c.consumers.Wait()
			if err := c.commit(); err != nil {
				c.log.Info().Err(err).Str("topic", c.topic).Msg("handled and not committed; it will come again")
			}
			return
		}
	}
}

// watch returns when nothing can be committed, which ends the generation.
func (c *committer) watch(alive context.Context) {
	select {
	case <-c.failed:
	case <-alive.Done():
	}
}

// commit sends what is noted. What can't be committed is noted again, where nothing newer is.
func (c *committer) commit() error {
	c.mu.Lock()
	offsets := c.offsets
	c.offsets = map[int]int64{}
	c.mu.Unlock()
	if len(offsets) == 0 {
		return nil
	}
	err := c.generation.CommitOffsets(map[string]map[int]int64{c.topic: offsets})
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		for partition, offset := range offsets {
			c.offsets[partition] = max(offset, c.offsets[partition])
		}
	}
	return err
}
