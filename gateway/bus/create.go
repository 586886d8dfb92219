package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
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

// create makes topics and waits until each of their partitions has a leader.
func (b *Bus) create(ctx context.Context, missing map[stream.Topic]bool) error {
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
			return fmt.Errorf("create topics: %w", err)
		}
		for name, err := range response.Errors {
			if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
				return fmt.Errorf("create topic %s: %w", name, err)
			}
		}
	}
	for {
		b.reload()
		leaders, err := b.leaders(ctx)
		if err == nil && b.led(leaders) {
			return nil
		}
		b.refresh()
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("wait for leaders of the topics: %w", context.Cause(ctx))
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

// checkSettings compares the topics to what they must be, and Kafka to what claims rest on.
func (b *Bus) checkSettings(ctx context.Context) error {
	metadata, err := b.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	resources := []kafka.DescribeConfigRequestResource{}
	for _, t := range metadata.Topics {
		s, ours := b.topics[b.short(t.Name)]
		if !ours || t.Error != nil {
			continue
		}
		if len(t.Partitions) != s.partitions && b.short(t.Name) == stream.State {
			return fmt.Errorf("kafka was set up with %d shards, not %d; the number can't be changed: %w", len(t.Partitions), s.partitions, ErrShards)
		}
	}
	for _, t := range metadata.Topics {
		s, ours := b.topics[b.short(t.Name)]
		if !ours || t.Error != nil {
			continue
		}
		if len(t.Partitions) != s.partitions {
			return fmt.Errorf("topic %s has %d partitions, not %d: %w", t.Name, len(t.Partitions), s.partitions, ErrSettings)
		}
		for _, p := range t.Partitions {
			if len(p.Replicas) < 2 && !b.cfg.SingleCopy {
				return fmt.Errorf("topic %s has one copy; kafka.single_copy must be accepted: %w", t.Name, ErrSettings)
			}
		}
		resources = append(resources, kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name})
	}
	response, err := b.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: resources})
	if err != nil {
		return fmt.Errorf("topic settings: %w", err)
	}
	for _, r := range response.Resources {
		if r.Error != nil {
			return fmt.Errorf("settings of %s: %w", r.ResourceName, r.Error)
		}
		has := map[string]string{}
		for _, e := range r.ConfigEntries {
			has[e.ConfigName] = e.ConfigValue
		}
		if err := b.compare(r.ResourceName, has); err != nil {
			return err
		}
	}
	return b.checkBroker(ctx, metadata.Controller.ID)
}

// compare looks at one topic's settings. More of what protects is welcome; what a Kafka does not tell is not looked at.
func (b *Bus) compare(name string, has map[string]string) error {
	want := b.topics[b.short(name)].entries(b.cfg.SingleCopy)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		value, told := has[key]
		if !told || fits(key, value, want[key]) {
			continue
		}
		return fmt.Errorf("topic %s has %s=%s where %s is needed: %w", name, key, value, want[key], ErrSettings)
	}
	return nil
}

func fits(key, has, want string) bool {
	switch key {
	case "cleanup.policy", "unclean.leader.election.enable":
		return has == want
	case "retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes", "min.insync.replicas":
		return has == want || has == "-1" || want != "-1" && atLeast(has, want)
	}
	return true // housekeeping: an operator's choice
}

func atLeast(has, want string) bool {
	h, errHas := strconv.ParseInt(has, 10, 64)
	w, errWant := strconv.ParseInt(want, 10, 64)
	return errHas == nil && errWant == nil && h >= w
}

// checkBroker makes sure that Kafka remembers whom it has to refuse for long enough.
func (b *Bus) checkBroker(ctx context.Context, id int) error {
	const key, least = "transactional.id.expiration.ms", 7 * day
	response, err := b.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeBroker, ResourceName: strconv.Itoa(id), ConfigNames: []string{key}}}})
	if err != nil {
		return fmt.Errorf("broker settings: %w", err)
	}
	for _, r := range response.Resources {
		for _, e := range r.ConfigEntries {
			if ms, err := strconv.ParseInt(e.ConfigValue, 10, 64); e.ConfigName == key && err == nil && ms < least.Milliseconds() {
				return fmt.Errorf("broker %d has %s=%d where %d is needed: %w", id, key, ms, least.Milliseconds(), ErrSettings)
			}
		}
	}
	return nil
}
