package shardtest

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/alicebob/miniredis/v2"

	"optgate/gateway/bus"
)

// embedded gives the embedded kinds of Kafka and Redis, with compaction as busy as it gets.
func embedded(t *testing.T) Target {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(t.TempDir()),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": "500"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	redis := miniredis.NewMiniRedis()
	redis.ClockTTL(true)
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Close)
	brokers := cluster.ListenAddrs()
	return Target{
		Brokers: brokers, Redis: []string{redis.Addr()}, Wipe: redis.FlushAll, For: 8 * time.Second, Log: zerolog.Nop(),
		Compact: func(_ *bus.Bus, topic string) error { return compact(brokers, topic) },
	}
}

// compact makes a topic's segments so short and its cleaner so eager that compaction happens all the time.
func compact(brokers []string, topic string) error {
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second}
	_, err := client.IncrementalAlterConfigs(context.Background(), &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{
				{Name: "segment.ms", Value: "400", ConfigOperation: kafka.ConfigOperationSet},
				{Name: "min.cleanable.dirty.ratio", Value: "0.001", ConfigOperation: kafka.ConfigOperationSet},
			},
		}},
	})
	return err
}

func TestOwnersUnderAttack(t *testing.T) {
	findings, figures := Attack(t, embedded(t))
	t.Log(figures)
	if !findings.None() {
		t.Errorf("%+v", findings)
	}
}

func TestAttackNoticesAMissingFence(t *testing.T) {
	target := embedded(t)
	target.Mutate = NoFence
	findings, figures := Attack(t, target)
	t.Logf("%s: %+v", figures, findings)
	if findings.None() {
		t.Error("owners without a fence went unnoticed")
	}
}

func TestAttackNoticesAMissingPositionCheck(t *testing.T) {
	target := embedded(t)
	target.Mutate = NoPositions
	findings, figures := Attack(t, target)
	t.Logf("%s: %+v", figures, findings)
	if findings.None() {
		t.Error("writes without a position check went unnoticed")
	}
}
