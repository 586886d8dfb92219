package bustest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/gateway/bus"
	"optgate/pipeline/stream"
)

// bootstrapMakesAnInstallation: on an empty Kafka; the second time it is found again.
func bootstrapMakesAnInstallation(h *harness) {
	b := h.open()
	if err := b.Verify(h.ctx); err == nil {
		h.Error("an empty Kafka was verified")
	}
	id, err := b.Bootstrap(h.ctx, "first", "")
	if err != nil || id != "first" {
		h.Fatalf("bootstrap: %q, %v", id, err)
	}
	h.must(b.Verify(h.ctx))
	for p := range shards {
		r, err := b.At(h.ctx, stream.State, p, 0)
		if want := fmt.Sprintf(`{"v":1,"installation":"first","shard":%d,"shards":%d,`, p, shards); err != nil || !strings.HasPrefix(string(r.Value), want) {
			h.Errorf("shard %d begins with %s (%v)", p, r.Value, err)
		}
	}
	for _, redisKnows := range []string{"", "first"} {
		again := h.open()
		if id, err = again.Bootstrap(h.ctx, "second", redisKnows); err != nil || id != "first" {
			h.Errorf("again: %q, %v", id, err)
		}
	}
	for p := range shards {
		if _, end, err := b.Ends(h.ctx, stream.State, p); err != nil || end != 1 {
			h.Errorf("shard %d has %d records (%v)", p, end, err)
		}
	}
	if _, err = h.open().Bootstrap(h.ctx, "x", "another"); !errors.Is(err, bus.ErrInstallation) {
		h.Errorf("beside another installation's Redis: %v", err)
	}
	more := h.open(func(cfg *bus.Config) { cfg.Shards = 2 * shards })
	if _, err = more.Bootstrap(h.ctx, "x", ""); !errors.Is(err, bus.ErrShards) {
		h.Errorf("with other shards: %v", err)
	}
}

// onlyOneIsBorn: several that start at once agree on one installation.
func onlyOneIsBorn(h *harness) {
	ids := make([]string, 4)
	var wg sync.WaitGroup
	for i := range ids {
		b := h.open()
		wg.Go(func() {
			var err error
			if ids[i], err = b.Bootstrap(h.ctx, fmt.Sprint("number ", i), ""); err != nil {
				h.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			h.Errorf("installations %q", ids)
		}
	}
	b := h.open()
	h.must(b.Verify(h.ctx))
	h.bornOnce(b)
}

// emptyKafkaBesideRedisIsRefused: nothing is created, so that nobody takes emptiness for the truth later.
func emptyKafkaBesideRedisIsRefused(h *harness) {
	if _, err := h.open().Bootstrap(h.ctx, "new", "known"); !errors.Is(err, bus.ErrKafkaEmpty) {
		h.Errorf("bootstrap: %v", err)
	}
	metadata, err := h.client.Metadata(h.ctx, &kafka.MetadataRequest{})
	h.must(err)
	for _, topic := range metadata.Topics {
		if strings.HasPrefix(topic.Name, h.prefix) {
			h.Errorf("topic %s was created", topic.Name)
		}
	}
}

// cutBootstrapGoesOn: one that died half way is finished by the next, under the id that it had begun with, if any.
func cutBootstrapGoesOn(h *harness) {
	for _, c := range []struct {
		prefix string
		writes int32 // before it dies
		id     string
	}{{"a.", 0, "second"}, {"b.", 2, "first"}} {
		under := func(cfg *bus.Config) { cfg.Prefix = h.prefix + c.prefix }
		w := &wire{}
		w.cutBefore.Store(c.writes + 1)
		dying, cancel := context.WithCancel(h.ctx)
		b := h.open(under, w.apply)
		var wg sync.WaitGroup
		wg.Go(func() {
			if id, err := b.Bootstrap(dying, "first", ""); err == nil {
				h.Errorf("the first finished with %s, so nothing was tried", id)
			}
		})
		h.eventually("it is cut off", w.cut.Load)
		cancel()
		wg.Wait()
		next := h.open(under)
		id, err := next.Bootstrap(h.ctx, "second", "")
		h.must(err)
		if id != c.id {
			h.Errorf("cut before write %d, installation %q", c.writes, id)
		}
		h.must(next.Verify(h.ctx))
		h.bornOnce(next)
	}
}

// bornOnce: each partition of state has one first record.
func (h *harness) bornOnce(b *bus.Bus) {
	h.Helper()
	for p := range shards {
		births := 0
		for _, r := range h.all(b, stream.State, p) {
			if string(r.Key) == "installation" {
				births++
			}
		}
		if births != 1 {
			h.Errorf("shard %d has %d first records", p, births)
		}
	}
}

// refuses waits until something is refused as it must be: brokers hear of a change one by one.
func (h *harness) refuses(what string, want error, ask func() error) {
	err := ask()
	for began := time.Now(); !errors.Is(err, want) && time.Since(began) < 10*time.Second; {
		err = ask()
	}
	if !errors.Is(err, want) {
		h.Errorf("%s: %v", what, err)
	}
}

// begins gives a start beside a Redis that knows an installation, or none.
func (h *harness) begins(redisKnows string) func() error {
	return func() error {
		_, err := h.open().Bootstrap(h.ctx, "x", redisKnows)
		return err
	}
}

// lostStateIsNoticed: whatever is missing of state is never taken for empty.
func lostStateIsNoticed(h *harness) {
	b := h.ready()
	owned := b.Own("shard", 1)
	h.must(owned.Claim(h.ctx))
	for i := range 3 {
		_, err := owned.Append(h.ctx, stream.State, one(fmt.Sprint(i)))
		h.must(err)
	}
	h.must(b.Verify(h.ctx))
	h.deleteRecords(string(stream.State), 1, 2)
	h.refuses("with its first records gone", bus.ErrCut, func() error { return b.Verify(h.ctx) })
	h.refuses("bootstrap with its first records gone", bus.ErrCut, h.begins("installation-1"))
	h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Consent}))
	_, err := h.client.DeleteTopics(h.ctx, &kafka.DeleteTopicsRequest{Topics: []string{h.prefix + string(stream.State)}})
	h.must(err)
	h.eventually("the topic is gone", func() bool { return errors.Is(h.open().Verify(h.ctx), bus.ErrCut) })
	h.refuses("bootstrap without state", bus.ErrCut, h.begins(""))
	h.refuses("bootstrap without state, beside Redis", bus.ErrKafkaEmpty, h.begins("installation-1"))
}

// lostTopicIsNoticed: a topic that is gone beside a state in use is not made anew, since what is kept in it would stand below
// where its readers have come to.
func lostTopicIsNoticed(h *harness) {
	b := h.ready()
	owned := b.Own("shard", 1)
	h.must(owned.Claim(h.ctx))
	_, err := owned.Append(h.ctx, stream.State, one("x"))
	h.must(err)
	_, err = h.client.DeleteTopics(h.ctx, &kafka.DeleteTopicsRequest{Topics: []string{h.prefix + string(stream.Inbound)}})
	h.must(err)
	h.eventually("the topic is gone", func() bool { return errors.Is(h.open().Verify(h.ctx), bus.ErrCut) })
	h.refuses("bootstrap without inbound", bus.ErrCut, h.begins(""))
	h.refuses("bootstrap without inbound, beside Redis", bus.ErrCut, h.begins("installation-1"))
	if err := h.open().Verify(h.ctx); !errors.Is(err, bus.ErrCut) {
		h.Errorf("it was made anew: %v", err)
	}
}

// oneEmptiedShardIsNoticed: a partition of state without any record, beside others in use, has lost them.
func oneEmptiedShardIsNoticed(h *harness) {
	b := h.ready()
	name := h.prefix + string(stream.State)
	_, err := h.client.DeleteTopics(h.ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	h.must(err)
	h.eventually("the topic is made again", func() bool {
		response, err := h.client.CreateTopics(h.ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
			Topic: name, NumPartitions: shards, ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{
				{ConfigName: "cleanup.policy", ConfigValue: "compact"}, {ConfigName: "max.message.bytes", ConfigValue: "8388608"},
				{ConfigName: "delete.retention.ms", ConfigValue: "1209600000"}, {ConfigName: "retention.ms", ConfigValue: "-1"},
			}}}})
		return err == nil && response.Errors[name] == nil
	})
	h.refuses("with an empty state", bus.ErrCut, func() error { return h.open().Verify(h.ctx) })
	h.refuses("bootstrap with an empty state, beside Redis", bus.ErrKafkaEmpty, h.begins("installation-1"))
	owned := b.Own("shard", 2) // as Bootstrap would: its first records stand, and one more
	h.must(owned.Claim(h.ctx))
	value := fmt.Sprintf(`{"v":1,"installation":"installation-1","shard":2,"shards":%d}`, shards)
	_, err = owned.Append(h.ctx, stream.State, append([]*stream.Record{{Key: []byte("installation"), Value: []byte(value)}}, one("claim")...))
	h.must(err)
	h.refuses("bootstrap with three empty shards", bus.ErrCut, h.begins(""))
}

// otherSettingsAreNoticed: less than what protects is refused, more is an operator's choice.
func otherSettingsAreNoticed(h *harness) {
	b := h.ready()
	// set changes a setting and waits until Verify says what it must: brokers hear of a change one by one.
	set := func(topic stream.Topic, key, value string, want error) {
		h.alter(kafka.ResourceTypeTopic, h.prefix+string(topic), map[string]string{key: value})
		err := b.Verify(h.ctx)
		for began := time.Now(); !errors.Is(err, want) && time.Since(began) < 10*time.Second; {
			err = b.Verify(h.ctx)
		}
		if !errors.Is(err, want) {
			h.Errorf("%s of %s set to %s: %v", key, topic, value, err)
		}
	}
	for _, c := range []struct {
		topic       stream.Topic
		key, value  string
		kept, wrong string
	}{
		{stream.Commands, "retention.ms", "-1", "1209600000", "60000"},
		{stream.Commands, "retention.ms", "2000000000", "1209600000", "60000"},
		{stream.State, "cleanup.policy", "compact", "compact", "delete"},
		{stream.Consent, "retention.ms", "-1", "-1", "2000000000"},
		{stream.Inbound, "max.message.bytes", "9000000", "4194304", "1000000"},
		{stream.Inbound, "segment.ms", "3600000", "86400000", ""},
	} {
		set(c.topic, c.key, c.value, nil)
		if c.wrong != "" {
			set(c.topic, c.key, c.wrong, bus.ErrSettings)
		}
		set(c.topic, c.key, c.kept, nil)
	}
	three := h.open(func(cfg *bus.Config) { cfg.SingleCopy = false })
	if err := three.Verify(h.ctx); !errors.Is(err, bus.ErrSettings) {
		h.Errorf("one copy where several are wanted: %v", err)
	}
}
