package app_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// servers are what a gateway runs on.
type servers struct {
	name   string
	kafka  []string // none: embedded
	redis  []string // none: embedded
	prefix string
}

// settings gives what the configuration says of them.
func (s servers) settings() map[string]any {
	settings := map[string]any{}
	if len(s.kafka) > 0 {
		group := map[string]any{"brokers": list(s.kafka)}
		if len(s.kafka) < 3 {
			group["single_copy"] = "accepted"
		}
		settings["kafka"], settings["shards"] = group, 8
	}
	if len(s.redis) > 0 {
		settings["redis"] = map[string]any{"addresses": list(s.redis)}
	}
	if s.prefix != "" {
		settings["prefix"] = s.prefix
	}
	return settings
}

func list(texts []string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}

// eachServers tells a story on Kafka and Redis inside the process, and on the real ones that OPTGATE_TEST_KAFKA (clusters
// between blanks, brokers between commas), OPTGATE_TEST_REDIS and OPTGATE_TEST_REDIS_CLUSTER name. Where any are named, it is
// told on those alone: the embedded ones have their turn without them.
func eachServers(t *testing.T, story func(t *testing.T, on servers)) {
	t.Helper()
	tell(t, realServers(), story)
}

// someServers is eachServers for a story of what is decided, which no server changes: it is told on one pair of real ones,
// chosen by its name, so that all have their turn and it doesn't cost as much time.
func someServers(t *testing.T, story func(t *testing.T, on servers)) {
	t.Helper()
	named := realServers()
	if n := len(named); n > 0 {
		at := stream.Spread(t.Name(), n)
		named = named[at : at+1]
	}
	tell(t, named, story)
}

func tell(t *testing.T, named []servers, story func(t *testing.T, on servers)) {
	t.Helper()
	if len(named) == 0 {
		story(t, servers{})
		return
	}
	for _, on := range named {
		t.Run("real/"+on.name, func(t *testing.T) {
			on.prefix = "e2e-" + strings.ToLower(rand.Text()[:10]) + "."
			t.Cleanup(func() { on.tidy(t) })
			story(t, on)
		})
	}
}

// together lets a test run beside others, unless they would share real servers, which some of them wipe.
func together(t *testing.T) {
	if len(realServers()) == 0 {
		t.Parallel()
	}
}

// realServers pairs the clusters of Kafka with those of Redis, so that each is in at least one pair.
func realServers() (pairs []servers) {
	kafkas := strings.Fields(os.Getenv("OPTGATE_TEST_KAFKA"))
	var redises, names []string
	for _, variable := range []string{"OPTGATE_TEST_REDIS", "OPTGATE_TEST_REDIS_CLUSTER"} {
		if addresses := os.Getenv(variable); addresses != "" {
			redises, names = append(redises, addresses), append(names, strings.ToLower(strings.TrimPrefix(variable, "OPTGATE_TEST_")))
		}
	}
	for i := range max(len(kafkas), len(redises)) {
		var pair servers
		if n := len(kafkas); n > 0 {
			pair.kafka = strings.Split(kafkas[i%n], ",")
			pair.name = map[bool]string{true: "kafka", false: "kafka_cluster"}[len(pair.kafka) == 1]
		}
		if n := len(redises); n > 0 {
			pair.redis = strings.Split(redises[i%n], ",")
			pair.name = strings.Trim(pair.name+"-"+names[i%n], "-")
		}
		pairs = append(pairs, pair)
	}
	return pairs
}

// client gives a client of the Redis that was named.
func (s servers) client() redis.UniversalClient {
	return redis.NewUniversalClient(&redis.UniversalOptions{Addrs: s.redis})
}

// eachMaster runs something on every Redis that holds keys.
func (s servers) eachMaster(ctx context.Context, run func(context.Context, *redis.Client) error) error {
	c := s.client()
	defer c.Close()
	if cluster, ok := c.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, run)
	}
	return run(ctx, c.(*redis.Client))
}

// flush makes Redis forget everything.
func (s servers) flush(t *testing.T) {
	t.Helper()
	err := s.eachMaster(t.Context(), func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() })
	if err != nil {
		t.Fatal(err)
	}
}

// topics gives the names of the installation's topics.
func (s servers) topics(t *testing.T) (names []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	answer, err := (&kafka.Client{Addr: kafka.TCP(s.kafka...)}).Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range answer.Topics {
		if strings.HasPrefix(topic.Name, s.prefix) && !topic.Internal {
			names = append(names, topic.Name)
		}
	}
	return names
}

// drop deletes the installation's topics.
func (s servers) drop(t *testing.T) {
	t.Helper()
	names := s.topics(t)
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(s.kafka...)}
	if _, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the topics are deleted", func() bool { return len(s.topics(t)) == 0 })
}

// tidy takes away what a story has left on real servers.
func (s servers) tidy(t *testing.T) {
	t.Helper()
	if len(s.kafka) > 0 {
		s.drop(t)
	}
	if len(s.redis) == 0 {
		return
	}
	err := s.eachMaster(context.Background(), func(ctx context.Context, c *redis.Client) error {
		keys := c.Scan(ctx, 0, s.prefix+"*", 1000).Iterator()
		for keys.Next(ctx) {
			if err := c.Unlink(ctx, keys.Val()).Err(); err != nil {
				return err
			}
		}
		return keys.Err()
	})
	if err != nil {
		t.Error(err)
	}
}
