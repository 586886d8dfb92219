// Package bustest is the suite that any Kafka must pass for Optgate to stand on it.
package bustest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"optgate/gateway/bus"
	"optgate/pipeline/stream"
)

// Run tries a Kafka. Every test works under a prefix of its own and deletes its topics afterwards, so that runs can share
// a broker. One copy of each record is enough.
func Run(t *testing.T, brokers []string) {
	protocol.Register(&deleteRecordsRequest{}, &deleteRecordsResponse{})
	for _, test := range []struct {
		name string
		run  func(*harness)
	}{
		{"CompactedLogsAreReadToTheEnd", compacted}, // first: it makes kfake's cleaner run
		{"TailsAreSteppedOver", tailsAreSteppedOver},
		{"PublishKeepsOrder", publishKeepsOrder},
		{"RecordsKeepTheirShape", recordsKeepTheirShape},
		{"CallsShareRequests", callsShareRequests},
		{"LostAnswersMakeNoRepeats", lostAnswersMakeNoRepeats},
		{"KafkaAwayIsToldInTime", kafkaAwayIsToldInTime},
		{"TooMuchQueuedIsRefused", tooMuchQueuedIsRefused},
		{"MemoryIsTheCallers", memoryIsTheCallers},
		{"AnywhereIsSomewhere", anywhereIsSomewhere},
		{"ForgottenProducersGoOn", forgottenProducersGoOn},
		{"TimesHaveOffsets", timesHaveOffsets},
		{"OlderOwnersAreRefused", olderOwnersAreRefused},
		{"ManyOwnersOneLog", manyOwnersOneLog},
		{"OwnedRepeatsAreSwallowed", ownedRepeatsAreSwallowed},
		{"DoubtEndsAReign", doubtEndsAReign},
		{"OwnersShareRequests", ownersShareRequests},
		{"GapsAreRefused", gapsAreRefused},
		{"FollowersSeeEverything", followersSeeEverything},
		{"EmptyRoundsStayFresh", emptyRoundsStayFresh},
		{"NeighboursWakeNobody", neighboursWakeNobody},
		{"BusyFollowersStallNobody", busyFollowersStallNobody},
		{"RoundsAreBounded", roundsAreBounded},
		{"SlowReadersGetLargeRounds", slowReadersGetLargeRounds},
		{"LossIsNoticed", lossIsNoticed},
		{"ReadingEndsWithItsReader", readingEndsWithItsReader},
		{"FollowersSurviveAnOutage", followersSurviveAnOutage},
		{"ConsumersShareAndResume", consumersShareAndResume},
		{"FailuresComeAgain", failuresComeAgain},
		{"ZombiesDoNotCommit", zombiesDoNotCommit},
		{"CommitsHoldNothingUp", commitsHoldNothingUp},
		{"LossStopsConsumers", lossStopsConsumers},
		{"OldestTellsTheTruth", oldestTellsTheTruth},
		{"AssignmentsAreDivided", assignmentsAreDivided},
		{"BootstrapMakesAnInstallation", bootstrapMakesAnInstallation},
		{"OnlyOneIsBorn", onlyOneIsBorn},
		{"EmptyKafkaBesideRedisIsRefused", emptyKafkaBesideRedisIsRefused},
		{"CutBootstrapGoesOn", cutBootstrapGoesOn},
		{"LostStateIsNoticed", lostStateIsNoticed},
		{"LostTopicIsNoticed", lostTopicIsNoticed},
		{"OneEmptiedShardIsNoticed", oneEmptiedShardIsNoticed},
		{"OtherSettingsAreNoticed", otherSettingsAreNoticed},
		{"AStateThatABrokerMadeIsRefused", aStateThatABrokerMadeIsRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &harness{T: t, brokers: brokers, prefix: "test-" + strings.ToLower(rand.Text()[:10]) + "."}
			transport := &kafka.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			h.client = &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second, Transport: transport}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			h.ctx = ctx
			t.Cleanup(cancel)
			t.Cleanup(h.deleteTopics)
			test.run(h)
		})
	}
}

// shards is the number of shards of every test.
const shards = 4

// harness is what a test works with.
type harness struct {
	*testing.T
	ctx     context.Context // ends soon enough for a test that hangs to say where
	brokers []string
	prefix  string
	client  *kafka.Client // for what a Bus does not offer
}

// open gives a Bus over this test's prefix.
func (h *harness) open(change ...func(*bus.Config)) *bus.Bus {
	h.Helper()
	cfg := bus.Config{Brokers: h.brokers, Prefix: h.prefix, Shards: shards, SingleCopy: true}
	for _, c := range change {
		c(&cfg)
	}
	b, err := bus.Open(cfg, zerolog.New(zerolog.NewTestWriter(h.T)))
	h.must(err)
	h.Cleanup(func() { h.must(b.Close()) })
	return b
}

// ready gives a Bus whose topics are there.
func (h *harness) ready(change ...func(*bus.Config)) *bus.Bus {
	h.Helper()
	b := h.open(change...)
	_, err := b.Bootstrap(h.ctx, "installation-1", "")
	h.must(err)
	return b
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// eventually asks until it is so.
func (h *harness) eventually(what string, so func() bool) {
	h.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			h.Fatalf("it never came true that %s", what)
		}
	}
}

// all reads a whole partition.
func (h *harness) all(b *bus.Bus, topic stream.Topic, partition int) []stream.Record {
	h.Helper()
	first, end, err := b.Ends(h.ctx, topic, partition)
	h.must(err)
	var records []stream.Record
	h.must(b.Read(h.ctx, topic, partition, first, end, func(r stream.Record) error {
		records = append(records, r)
		return nil
	}))
	return records
}

// deleteTopics deletes what the test has made.
func (h *harness) deleteTopics() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	metadata, err := h.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		h.Errorf("topics to delete: %v", err)
		return
	}
	var names []string
	for _, topic := range metadata.Topics {
		if strings.HasPrefix(topic.Name, h.prefix) {
			names = append(names, topic.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	if _, err := h.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names}); err != nil {
		h.Errorf("delete topics: %v", err)
	}
}
