package shardtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

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
	memory := miniredis.NewMiniRedis()
	memory.ClockTTL(true)
	if err := memory.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(memory.Close)
	brokers := cluster.ListenAddrs()
	return Target{
		Brokers: brokers, Redis: []string{memory.Addr()}, Wipe: memory.FlushAll, For: 6 * time.Second, Log: zerolog.Nop(),
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

// each runs a test on the embedded kinds or, where OPTGATE_TEST_KAFKA, OPTGATE_TEST_REDIS and OPTGATE_TEST_REDIS_CLUSTER name
// them, on real ones: the first Kafka with one Redis, the others with the Cluster. single leaves the latter out.
func each(t *testing.T, single bool, test func(t *testing.T, target Target)) {
	t.Helper()
	named, redises := strings.Fields(os.Getenv("OPTGATE_TEST_KAFKA")), os.Getenv("OPTGATE_TEST_REDIS")
	if len(named) == 0 {
		t.Run("embedded", func(t *testing.T) { test(t, embedded(t)) })
	}
	for _, brokers := range named {
		if redises == "" {
			t.Fatal("a real Kafka is named and no Redis for it")
		}
		kafkas, nodes := strings.Split(brokers, ","), strings.Split(redises, ",")
		t.Run(fmt.Sprintf("%d brokers %d redis", len(kafkas), len(nodes)), func(t *testing.T) { test(t, servers(t, kafkas, nodes)) })
		if redises = os.Getenv("OPTGATE_TEST_REDIS_CLUSTER"); single {
			return
		}
	}
}

// servers gives real servers.
func servers(t *testing.T, brokers, redises []string) Target {
	t.Helper()
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: redises})
	t.Cleanup(func() { _ = client.Close() })
	wipe := func() {
		err := client.FlushAll(context.Background()).Err()
		if cluster, ok := client.(*redis.ClusterClient); ok {
			err = cluster.ForEachMaster(context.Background(), func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() })
		}
		if err != nil {
			t.Errorf("wipe: %v", err)
		}
	}
	return Target{
		Brokers: brokers, Redis: redises, Wipe: wipe, For: 15 * time.Second, Log: zerolog.Nop(),
		Compact: func(_ *bus.Bus, topic string) error { return compact(brokers, topic) },
	}
}

func TestOwnersUnderAttack(t *testing.T) {
	each(t, false, func(t *testing.T, target Target) {
		findings, figures := Attack(t, target)
		t.Log(figures)
		if !findings.None() {
			t.Errorf("%+v", findings)
		}
	})
}

func TestAttackNoticesAMissingFence(t *testing.T) {
	each(t, true, func(t *testing.T, target Target) { noticed(t, target, NoFence) })
}

func TestAttackNoticesAMissingPositionCheck(t *testing.T) {
	each(t, true, func(t *testing.T, target Target) { noticed(t, target, NoPositions) })
}

func TestAttackNoticesForkedChains(t *testing.T) {
	each(t, true, func(t *testing.T, target Target) { noticed(t, target, ForkedChains) })
}

// noticed attacks what lacks a protection until that shows. Chance decides when; that it doesn't at all shows an attack
// that proves nothing.
func noticed(t *testing.T, target Target, without Mutation) {
	t.Helper()
	target.Mutate = without
	for range 12 {
		findings, figures := Attack(t, target)
		t.Logf("%s: %+v", figures, findings)
		if !findings.None() {
			return
		}
	}
	t.Error("a missing protection went unnoticed")
}
