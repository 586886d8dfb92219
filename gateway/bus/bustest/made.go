package bustest

import (
	"github.com/segmentio/kafka-go"

	"optgate/gateway/bus"
	"optgate/pipeline/stream"
)

// aStateThatABrokerMadeIsRefused: a topic that some client's question has made a broker create has the broker's settings,
// under which states are deleted after a week. Neither a start nor the hourly look takes it for ours, whether it has as many
// partitions as it must or not, beside other topics or alone; and no first record is written into it.
func aStateThatABrokerMadeIsRefused(h *harness) {
	for _, c := range []struct {
		prefix     string
		partitions int
		others     bool // are there, as they must be
		want       error
	}{
		{"lone-one.", 1, false, bus.ErrShards},
		{"lone-all.", shards, false, bus.ErrSettings},
		{"one.", 1, true, bus.ErrShards},
		{"all.", shards, true, bus.ErrSettings},
	} {
		b := h.open(func(cfg *bus.Config) { cfg.Prefix = h.prefix + c.prefix })
		name := h.prefix + c.prefix + string(stream.State)
		if c.others {
			_, err := b.Bootstrap(h.ctx, "x", "")
			h.must(err)
			_, err = h.client.DeleteTopics(h.ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
			h.must(err)
		}
		h.eventually("a broker makes the topic", func() bool {
			response, err := h.client.CreateTopics(h.ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
				{Topic: name, NumPartitions: c.partitions, ReplicationFactor: 1}}})
			return err == nil && response.Errors[name] == nil
		})
		h.refuses("a start", c.want, func() error {
			_, err := b.Bootstrap(h.ctx, "x", "")
			return err
		})
		if c.others {
			h.refuses("the hourly look", c.want, func() error { return b.Verify(h.ctx) })
		}
		for p := range c.partitions {
			if _, end, err := b.Ends(h.ctx, stream.State, p); err != nil || end > 0 {
				h.Errorf("%s/%d has %d records (%v)", name, p, end, err)
			}
		}
	}
}
