package bustest

import (
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// compacted lets a broker compact a log until whole batches and the ends of others are gone, and reads it back.
func compacted(h *harness) {
	metadata, err := h.client.Metadata(h.ctx, &kafka.MetadataRequest{})
	h.must(err)
	for _, broker := range metadata.Brokers {
		h.alter(kafka.ResourceTypeBroker, strconv.Itoa(broker.ID), map[string]string{"log.cleaner.backoff.ms": "100"})
	}
	b := h.ready()
	h.alter(kafka.ResourceTypeTopic, h.prefix+string(stream.State), map[string]string{
		"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "100", "max.compaction.lag.ms": "100",
	})
	owned := b.Own("owner", 0)
	want := map[string]string{"installation": ""}
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	var end int64
	for round := 0; ; round++ {
		if round%10 == 0 { // a new epoch leaves the emptied batches of the one before behind
			h.must(owned.Claim(h.ctx))
		}
		var records []*stream.Record
		for i := range 20 {
			key, value := fmt.Sprintf("k%d", (round*7+i)%30), fmt.Sprintf("%d.%d", round, i)
			want[key] = value
			records = append(records, &stream.Record{Key: []byte(key), Value: []byte(value)})
		}
		base, err := owned.Append(h.ctx, stream.State, records)
		h.must(err)
		end = base + int64(len(records))
		<-tick.C
		if round > 60 {
			count := 0
			h.must(b.Read(h.ctx, stream.State, 0, 0, end, func(stream.Record) error { count++; return nil }))
			if count < int(end)/3 {
				h.Logf("compaction left %d of %d", count, end)
				break
			}
		}
	}
	for _, from := range []int64{0, 1, 19, end / 3, end - 21, end - 1} {
		got := map[string]string{}
		last := int64(-1)
		h.must(b.Read(h.ctx, stream.State, 0, from, end, func(r stream.Record) error {
			if r.Offset <= last || r.Offset < from || r.Offset >= end {
				h.Fatalf("offset %d after %d, in [%d,%d)", r.Offset, last, from, end)
			}
			last = r.Offset
			got[string(r.Key)] = string(r.Value)
			return nil
		}))
		if from > 0 {
			continue
		}
		got["installation"] = ""
		if fmt.Sprint(got) != fmt.Sprint(want) {
			h.Fatalf("read back %v\nnot %v", got, want)
		}
	}
	// Every end in the middle is reached too, though the records before it are gone.
	for to := int64(1); to < end; to += 13 {
		h.must(b.Read(h.ctx, stream.State, 0, 0, to, func(stream.Record) error { return nil }))
	}
}

// alter sets configuration of a broker or topic; what this Kafka does not know is left out.
func (h *harness) alter(kind kafka.ResourceType, name string, settings map[string]string) {
	h.Helper()
	for key, value := range settings {
		response, err := h.client.IncrementalAlterConfigs(h.ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kind, ResourceName: name,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: key, Value: value, ConfigOperation: kafka.ConfigOperationSet}}}}})
		h.must(err)
		for _, r := range response.Resources {
			if r.Error != nil {
				h.Logf("%s is not set: %v", key, r.Error)
			}
		}
	}
}
