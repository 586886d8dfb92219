package bustest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// compacted lets a broker compact a log until whole batches and the ends of others are gone, and reads it back.
func compacted(h *harness) {
	h.hurryCleaner()
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

// tailsAreSteppedOver: where compaction took the end of the last batch of a file, a fetch from there brings that batch
// again and again, and nothing tells where it ends.
func tailsAreSteppedOver(h *harness) {
	h.hurryCleaner()
	b := h.ready()
	name := h.prefix + string(stream.State)
	h.alter(kafka.ResourceTypeTopic, name, map[string]string{"segment.bytes": "1048576", "min.cleanable.dirty.ratio": "1"})
	owned := b.Own("owner", 0)
	h.must(owned.Claim(h.ctx))
	const batches, tail = 16, 40
	var end int64
	for n := range batches { // two or three fit into a file
		records := one(fmt.Sprintf("kept%d", n))
		for i := range tail {
			records = append(records, &stream.Record{Key: fmt.Appendf(nil, "k%d", i), Value: make([]byte, 10<<10)})
		}
		base, err := owned.Append(h.ctx, stream.State, records)
		h.must(err)
		end = base + int64(len(records))
	}
	h.alter(kafka.ResourceTypeTopic, name, map[string]string{"min.cleanable.dirty.ratio": "0.001", "segment.ms": "100", "max.compaction.lag.ms": "100"})
	h.eventually("the tails are gone", func() bool {
		kept, count := 0, 0
		h.must(b.Read(h.ctx, stream.State, 0, 0, end, func(r stream.Record) error {
			count++
			if strings.HasPrefix(string(r.Key), "kept") {
				kept++
			}
			return nil
		}))
		if kept != batches {
			h.Fatalf("%d records of %d that nothing replaces", kept, batches)
		}
		return count < batches*tail/2
	})
	for n := range int64(batches) {
		from := 1 + n*(tail+1) + tail/2 // inside of a tail
		last := int64(0)
		h.must(b.Read(h.ctx, stream.State, 0, from, end, func(r stream.Record) error { last = r.Offset; return nil }))
		if last != end-1 {
			h.Errorf("read from %d to %d, not %d", from, last, end-1)
		}
		h.must(b.Read(h.ctx, stream.State, 0, 0, from, func(r stream.Record) error { return nil }))
	}
	f := b.Follow(stream.State, 0, 0)
	defer f.Close()
	for kept := 0; kept < batches; {
		round, err := f.Next(h.ctx)
		h.must(err)
		for _, r := range round.Records {
			if strings.HasPrefix(string(r.Key), "kept") {
				kept++
			}
		}
	}
}

// hurryCleaner makes brokers compact every 100 ms. kfake looks at the setting when it gets its first compacted topic.
func (h *harness) hurryCleaner() {
	h.Helper()
	metadata, err := h.client.Metadata(h.ctx, &kafka.MetadataRequest{})
	h.must(err)
	for _, broker := range metadata.Brokers {
		h.alter(kafka.ResourceTypeBroker, strconv.Itoa(broker.ID), map[string]string{"log.cleaner.backoff.ms": "100"})
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
