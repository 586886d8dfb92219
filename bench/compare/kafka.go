package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// records gives how many records a topic holds.
func records(ctx context.Context, address, topic string) (n int, err error) {
	client := &kafka.Client{Addr: kafka.TCP(address)}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, fmt.Errorf("look at %s: %w", topic, err)
	}
	ask := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			ask.Topics[topic] = append(ask.Topics[topic], kafka.LastOffsetOf(p.ID))
		}
	}
	told, err := client.ListOffsets(ctx, ask)
	if err != nil {
		return 0, fmt.Errorf("look at %s: %w", topic, err)
	}
	for _, p := range told.Topics[topic] {
		if p.Error != nil {
			return 0, fmt.Errorf("look at %s: %w", topic, p.Error)
		}
		n += int(p.LastOffset)
	}
	return n, nil
}

// drop deletes the topics of a contestant that is gone, also when all is broken off.
func drop(address, prefix string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(address)}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	var names []string
	for _, t := range meta.Topics {
		if strings.HasPrefix(t.Name, prefix) {
			names = append(names, t.Name)
		}
	}
	_, err = client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names})
	return err
}
