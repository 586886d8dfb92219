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

// checkSettings compares the topics to what they must be, and Kafka to what claims rest on.
func (b *Bus) checkSettings(ctx context.Context) error {
	metadata, err := b.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	topics := slices.DeleteFunc(metadata.Topics, func(t kafka.Topic) bool {
		_, ours := b.topics[b.short(t.Name)]
		return !ours || t.Error != nil
	})
	if err := b.checkPartitions(topics); err != nil {
		return err
	}
	resources := make([]kafka.DescribeConfigRequestResource, 0, len(topics))
	for _, t := range topics {
		resources = append(resources, kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name})
	}
	response, err := b.describe(ctx, resources)
	if err != nil {
		return err
	}
	for _, r := range response.Resources {
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

// hearsay is how long a broker may not have heard of a topic that another has made.
const hearsay = 10 * time.Second

// describe asks for the settings of topics that some broker knows, and asks again while the one asked doesn't.
func (b *Bus) describe(ctx context.Context, topics []kafka.DescribeConfigRequestResource) (response *kafka.DescribeConfigsResponse, err error) {
	patient, cancel := context.WithTimeout(ctx, hearsay)
	defer cancel()
	known := func(err error) bool { return !errors.Is(err, kafka.UnknownTopicOrPartition) }
	err = b.retry(patient, known, func() error {
		var err error
		if response, err = b.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: topics}); err != nil {
			return fmt.Errorf("topic settings: %w", err)
		}
		for _, r := range response.Resources {
			if r.Error != nil {
				return fmt.Errorf("settings of %s: %w", r.ResourceName, r.Error)
			}
		}
		return nil
	})
	return response, err
}

// checkPartitions compares how the topics are divided and copied.
func (b *Bus) checkPartitions(topics []kafka.Topic) error {
	for _, t := range topics {
		if n := len(t.Partitions); b.short(t.Name) == stream.State && n != int(b.cfg.Shards) {
			return fmt.Errorf("kafka was set up with %d shards, not %d; the number can't be changed: %w", n, b.cfg.Shards, ErrShards)
		}
	}
	for _, t := range topics {
		if n := b.Partitions(b.short(t.Name)); len(t.Partitions) != n {
			return fmt.Errorf("topic %s has %d partitions, not %d: %w", t.Name, len(t.Partitions), n, ErrSettings)
		}
		for _, p := range t.Partitions {
			if len(p.Replicas) < 2 && !b.cfg.SingleCopy {
				return fmt.Errorf("topic %s has one copy; kafka.single_copy must be accepted: %w", t.Name, ErrSettings)
			}
		}
	}
	return nil
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
