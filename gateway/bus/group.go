package bus

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// member makes this process a member of a group until ctx ends, and gives each generation to run, one after the other. run
// starts what it has to by Generation.Start, which the next generation waits for.
func (b *Bus) member(ctx context.Context, group string, topics []stream.Topic, run func(*kafka.Generation)) error {
	names := make([]string, len(topics))
	for i, topic := range topics {
		names[i] = b.name(topic)
	}
	members, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                b.cfg.Prefix + group,
		Brokers:           b.cfg.Brokers,
		Dialer:            b.dialer,
		Topics:            names,
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		HeartbeatInterval: 300 * time.Millisecond,
		SessionTimeout:    6 * time.Second,
		RebalanceTimeout:  6 * time.Second,
		JoinGroupBackoff:  200 * time.Millisecond,
		Timeout:           5 * time.Second,
		StartOffset:       kafka.FirstOffset,
	})
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	defer func() {
		<-stop
	}()
	ended, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(stop)
		<-ended.Done()
		_ = members.Close() // leaves the group; never an error
	}()
	failures := b.log.Sample(&zerolog.BurstSampler{Burst: 1, Period: 10 * time.Second})
	for {
		generation, err := members.Next(ctx)
		switch {
		case err == nil:
			run(generation)
		case ctx.Err() != nil || errors.Is(err, kafka.ErrGroupClosed):
			return context.Cause(ctx)
		case errors.Is(err, kafka.RebalanceInProgress):
		default:
			failures.Warn().Err(err).Str("group", group).Msg("group cannot be joined; trying again")
		}
	}
}
