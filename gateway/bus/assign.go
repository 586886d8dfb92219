package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// ErrNotHeld says that a group has given a partition to another member.
var ErrNotHeld = errors.New("partition is not assigned to this process")

// Assignment is what a group has given to this member, the whole of it.
type Assignment struct {
	Partitions map[stream.Topic][]int
	// Holds returns nil only if the group still gives this partition to this member: it commits within the newest
	// generation, for which offset 0 stands. It tries until it knows or ctx ends; ErrNotHeld: another member has it.
	Holds func(ctx context.Context, topic stream.Topic, partition int) error
}

// Assign makes this process a member of a group that only divides partitions, until ctx ends. change is called at each
// generation, one call at a time, and should return soon: what it was given before holds until then. The error is ctx's.
func (b *Bus) Assign(ctx context.Context, group string, topics []stream.Topic, change func(Assignment)) error {
	h := &holdings{b: b}
	defer h.set(nil, nil)
	err := b.member(ctx, group, topics, func(g *kafka.Generation) {
		partitions := map[stream.Topic][]int{}
		for _, topic := range topics {
			for _, a := range g.Assignments[b.name(topic)] {
				partitions[topic] = append(partitions[topic], a.ID)
			}
			slices.Sort(partitions[topic])
		}
		h.set(g, partitions)
		change(Assignment{Partitions: partitions, Holds: h.holds})
	})
	return fmt.Errorf("assign %s: %w", group, err)
}

// holdings is the newest generation of a group.
type holdings struct {
	b          *Bus
	mu         sync.Mutex
	generation *kafka.Generation
	partitions map[stream.Topic][]int
}

func (h *holdings) set(g *kafka.Generation, partitions map[stream.Topic][]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.generation, h.partitions = g, partitions
}

func (h *holdings) holds(ctx context.Context, topic stream.Topic, partition int) error {
	for {
		h.mu.Lock()
		g, mine := h.generation, slices.Contains(h.partitions[topic], partition)
		h.mu.Unlock()
		if !mine {
			return fmt.Errorf("%s/%d: %w", topic, partition, ErrNotHeld)
		}
		err := g.CommitOffsets(map[string]map[int]int64{h.b.name(topic): {partition: 0}})
		if err == nil {
			return nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("%s/%d: %w: %w", topic, partition, context.Cause(ctx), err)
		}
	}
}
