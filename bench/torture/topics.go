package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// logs reads topics with another client than the program's own.
type logs struct {
	client *kgo.Client
	prefix string
}

func openLogs(brokers []string, prefix string) (*logs, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.MetadataMaxAge(5*time.Second), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &logs{client, prefix}, nil
}

func (l *logs) close() { l.client.Close() }

// ends gives the first offset of each partition of a topic and the one after its last.
func (l *logs) ends(ctx context.Context, topic string) (first, end map[int32]int64, err error) {
	metadata := kmsg.NewPtrMetadataRequest()
	wanted := kmsg.NewMetadataRequestTopic()
	wanted.Topic = &topic
	metadata.Topics = append(metadata.Topics, wanted)
	known, err := metadata.RequestWith(ctx, l.client)
	if err != nil {
		return nil, nil, fmt.Errorf("partitions of %s: %w", topic, err)
	}
	if err := kerr.ErrorForCode(known.Topics[0].ErrorCode); err != nil {
		return nil, nil, fmt.Errorf("partitions of %s: %w", topic, err)
	}
	at := func(when int64) (map[int32]int64, error) {
		request := kmsg.NewPtrListOffsetsRequest()
		asked := kmsg.NewListOffsetsRequestTopic()
		asked.Topic = topic
		for _, p := range known.Topics[0].Partitions {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = p.Partition, when
			asked.Partitions = append(asked.Partitions, partition)
		}
		request.Topics = append(request.Topics, asked)
		offsets := map[int32]int64{}
		for _, shard := range l.client.RequestSharded(ctx, request) {
			if shard.Err != nil {
				return nil, fmt.Errorf("ends of %s: %w", topic, shard.Err)
			}
			for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
				for _, p := range t.Partitions {
					if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
						return nil, fmt.Errorf("ends of %s/%d: %w", topic, p.Partition, err)
					}
					offsets[p.Partition] = p.Offset
				}
			}
		}
		return offsets, nil
	}
	const latest, earliest = -1, -2
	if first, err = at(earliest); err == nil {
		end, err = at(latest)
	}
	return first, end, err
}

// read gives every record of a topic, each partition from its first to what is now its end.
func (l *logs) read(ctx context.Context, short string, each func(*kgo.Record)) error {
	topic := l.prefix + short
	first, end, err := l.ends(ctx, topic)
	if err != nil {
		return err
	}
	open := map[int32]int64{}
	starts := map[int32]kgo.Offset{}
	for p, last := range end {
		if last > first[p] {
			open[p], starts[p] = last, kgo.NewOffset().At(first[p])
		}
	}
	if len(open) == 0 {
		return nil
	}
	l.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts})
	defer l.client.PurgeTopicsFromConsuming(topic)
	for len(open) > 0 {
		fetches := l.client.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err0()); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if last, ok := open[r.Partition]; ok && r.Topic == topic && r.Offset < last {
				each(r)
				if r.Offset == last-1 {
					delete(open, r.Partition)
				}
			}
		})
	}
	return nil
}

// spoil makes a topic as a broker does by itself that makes topics for whoever asks: with its own settings.
func (l *logs) spoil(ctx context.Context, short string) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = l.prefix+short, -1, -1
	request.Topics = append(request.Topics, topic)
	request.TimeoutMillis = 10_000
	answer, err := request.RequestWith(ctx, l.client)
	if err != nil {
		return fmt.Errorf("make %s: %w", short, err)
	}
	return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
}
