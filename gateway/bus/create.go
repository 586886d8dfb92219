package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// missing gives the topics that are not there.
func (b *Bus) missing(ctx context.Context) (map[stream.Topic]bool, error) {
	var response *kafka.MetadataResponse
	err := b.retry(ctx, final, func() (err error) {
		b.reload()
		response, err = b.client.Metadata(ctx, &kafka.MetadataRequest{})
		if err == nil && len(response.Brokers) == 0 {
			err = errNoAnswer
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	missing := map[stream.Topic]bool{}
	for topic := range b.topics {
		missing[topic] = true
	}
	for _, t := range response.Topics {
		switch {
		case t.Error == nil:
			delete(missing, b.short(t.Name))
		case !errors.Is(t.Error, kafka.UnknownTopicOrPartition):
			return nil, fmt.Errorf("topic %s: %w", t.Name, t.Error)
		}
	}
	return missing, nil
}

// young says whether none of the topics that are there holds a record: a bootstrap that was cut off, not a loss.
func (b *Bus) young(ctx context.Context, missing map[stream.Topic]bool) bool {
	for topic := range b.topics {
		if missing[topic] {
			continue
		}
		for p := range b.Partitions(topic) {
			if _, end, err := b.Ends(ctx, topic, p); err != nil || end > 0 {
				return false
			}
		}
	}
	return true
}

// unused refuses to make topics that are missing beside a state in use: what would be kept in them would stand below where
// their readers have come to.
func (b *Bus) unused(ctx context.Context, missing map[stream.Topic]bool) error {
	found, err := b.births(ctx)
	if err != nil || !found.used {
		return err
	}
	for topic := range missing {
		if b.topics[topic].later {
			continue
		}
		return fmt.Errorf("topic %s is missing beside others that are in use: %w", b.name(topic), ErrCut)
	}
	return nil
}

// create makes topics and waits until they have leaders. first: it was this call that made the topic state.
func (b *Bus) create(ctx context.Context, missing map[stream.Topic]bool) (first bool, err error) {
	configs := make([]kafka.TopicConfig, 0, len(missing))
	for topic := range missing {
		s := b.topics[topic]
		config := kafka.TopicConfig{Topic: b.name(topic), NumPartitions: s.partitions, ReplicationFactor: b.cfg.Replication}
		for name, value := range s.entries(b.cfg.SingleCopy) {
			config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
		}
		configs = append(configs, config)
	}
	if len(configs) > 0 {
		response, err := b.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: configs})
		if err != nil {
			return false, fmt.Errorf("create topics: %w", err)
		}
		for name, err := range response.Errors {
			if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
				return false, fmt.Errorf("create topic %s: %w", name, err)
			}
			first = first || err == nil && name == b.name(stream.State)
		}
	}
	for {
		b.reload()
		leaders, err := b.leaders(ctx)
		if err == nil && b.led(leaders) {
			return first, nil
		}
		b.refresh()
		if !pause(ctx, 100*time.Millisecond) {
			return first, fmt.Errorf("wait for leaders of the topics: %w", context.Cause(ctx))
		}
	}
}

// led says whether each partition that should be there has a leader. Another number of partitions is told by checkSettings.
func (b *Bus) led(leaders map[place]int32) bool {
	for topic := range b.topics {
		if _, known := leaders[place{topic, 0}]; !known {
			return false
		}
	}
	return true
}

// reload makes the next look at the leaders ask for them, without dropping connections.
func (b *Bus) reload() {
	b.cluster.mu.Lock()
	defer b.cluster.mu.Unlock()
	b.cluster.at = time.Time{}
}
