package ingress_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/embedded"
	"optgate/gateway/ingress"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

func TestKeptMeansReadableFromKafka(t *testing.T) {
	const shards = chat.Shards(2)
	kafka, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, kafka)
	b, err := bus.Open(bus.Config{Brokers: []string{kafka.Kafka}, Prefix: "optgate.", Shards: shards, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	closing(t, b)
	if _, err := b.Bootstrap(t.Context(), "ingress-test", ""); err != nil {
		t.Fatal(err)
	}
	d := open(t, func(o *ingress.Options) { o.Publisher = b })
	if status := d.deliver(t, "/webhooks/meta/main", secret, greeting); status != 200 {
		t.Fatal(status)
	}
	if status := d.deliver(t, "/webhooks/meta/main", secret, "{not json"); status != 200 {
		t.Fatal(status)
	}
	for topic, want := range map[stream.Topic]string{stream.Inbound: greeting, stream.Dead: "{not json"} {
		var found []stream.Record
		for partition := range b.Partitions(topic) {
			first, end, err := b.Ends(t.Context(), topic, partition)
			if err != nil {
				t.Fatal(err)
			}
			err = b.Read(t.Context(), topic, partition, first, end, func(r stream.Record) error {
				found = append(found, r)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(found) != 1 || string(found[0].Value) != want || found[0].Header("app") != "main" || found[0].Header("v") != "1" {
			t.Errorf("%s holds %d records", topic, len(found))
		}
	}

	if err := kafka.Close(); err != nil {
		t.Fatal(err)
	}
	away := open(t, func(o *ingress.Options) { o.Publisher, o.Keep = b, 100*time.Millisecond })
	if status := away.deliver(t, "/webhooks/meta/main", secret, greeting); status != 503 {
		t.Errorf("Kafka away: %d", status)
	}
	if strings.Contains(away.said.String(), "447700") {
		t.Errorf("logged: %s", away.said)
	}
}

func closing(t *testing.T, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
