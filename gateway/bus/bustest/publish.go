package bustest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/gateway/bus"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// publishKeepsOrder: what is acknowledged can be read at once, under the offset that was told, in the order of its writer.
func publishKeepsOrder(h *harness) {
	b := h.ready()
	const writers, calls, each = 8, 25, 3
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for c := range calls {
				records := make([]*stream.Record, each)
				for i := range records {
					records[i] = &stream.Record{Topic: stream.Inbound, Partition: w % 2, Key: fmt.Appendf(nil, "w%d", w),
						Value: fmt.Appendf(nil, "%d", c*each+i), Headers: []stream.Header{{Key: "v", Value: "1"}, {Key: "app", Value: "main"}}}
				}
				if err := b.Publish(h.ctx, records...); err != nil {
					h.Error(err)
					return
				}
				for _, r := range records {
					got, err := b.At(h.ctx, stream.Inbound, r.Partition, r.Offset)
					if err != nil || string(got.Value) != string(r.Value) || string(got.Key) != string(r.Key) || got.Header("app") != "main" {
						h.Errorf("offset %d of partition %d holds %q (%v), not %q", r.Offset, r.Partition, got.Value, err, r.Value)
					}
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for p := range 2 {
		for i, r := range h.all(b, stream.Inbound, p) {
			if r.Offset != int64(i) {
				h.Fatalf("record %d stands at %d", i, r.Offset)
			}
			if want := fmt.Sprint(next[string(r.Key)]); string(r.Value) != want {
				h.Fatalf("writer %s: %s came where %s was due", r.Key, r.Value, want)
			}
			next[string(r.Key)]++
		}
	}
	if len(next) != writers || next["w0"] != calls*each {
		h.Fatalf("kept %v", next)
	}
}

// recordsKeepTheirShape: empty and missing keys and values, headers, partitions by key, one call over many topics.
func recordsKeepTheirShape(h *harness) {
	b := h.ready()
	records := []*stream.Record{
		{Topic: stream.Events, Partition: 1, Value: []byte{}},
		{Topic: stream.Events, Partition: 1, Key: []byte("gone")},
		{Topic: stream.Events, Partition: 1, Key: []byte{}, Value: []byte("x"), Headers: []stream.Header{{Key: "empty"}, {Key: "\x00é", Value: "\xff"}}},
		{Topic: stream.Dead, Partition: 3, Value: make([]byte, 3<<20)},
		{Topic: stream.Commands, Partition: stream.AnyPartition, Key: []byte("a key")},
	}
	h.must(b.Publish(h.ctx, records...))
	got := h.all(b, stream.Events, 1)
	switch {
	case len(got) != 3:
		h.Fatalf("%d records of 3", len(got))
	case got[0].Key != nil || got[0].Value == nil || len(got[0].Value) != 0:
		h.Errorf("an empty value came back as %v, a missing key as %v", got[0].Value, got[0].Key)
	case got[1].Value != nil || string(got[1].Key) != "gone":
		h.Errorf("a tombstone came back as %v", got[1].Value)
	case got[2].Key == nil || len(got[2].Headers) != 2 || got[2].Headers[1] != records[2].Headers[1] || got[2].Headers[0].Key != "empty":
		h.Errorf("headers came back as %q", got[2].Headers)
	case time.Since(got[0].Time).Abs() > time.Minute:
		h.Errorf("time came back as %v", got[0].Time)
	}
	if big := h.all(b, stream.Dead, 3); len(big) != 1 || len(big[0].Value) != 3<<20 {
		h.Errorf("a large record did not come back")
	}
	if want := stream.Spread("a key", shards); records[4].Partition != want {
		h.Errorf("partition %d by key, not %d", records[4].Partition, want)
	}
	err := b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Value: make([]byte, 5<<20)})
	if fault.KindOf(err) != fault.TooLarge {
		h.Errorf("a record over the topic's limit: %v", err)
	}
	if err := b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Partition: shards}); err == nil {
		h.Error("a partition that is not there was taken")
	}
}

// callsShareRequests: those that come together go together, and a lone one does not wait for company.
func callsShareRequests(h *harness) {
	w := &wire{}
	b := h.ready(w.apply)
	h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Events}))
	before := w.produced.Load()
	const calls = 400
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			if err := b.Publish(h.ctx, &stream.Record{Topic: stream.Events, Partition: i % shards, Value: []byte("x")}); err != nil {
				h.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.produced.Load() - before; n > calls/4 {
		h.Errorf("%d calls took %d requests", calls, n)
	}
	began := time.Now()
	for range 20 {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Events}))
	}
	if took := time.Since(began); took > 2*time.Second {
		h.Errorf("20 lone calls took %v: something waits for company", took)
	}
}

// lostAnswersMakeNoRepeats: records whose acknowledgement got lost stand there once.
func lostAnswersMakeNoRepeats(h *harness) {
	w := &wire{}
	b := h.ready(w.apply)
	h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Value: []byte("0")}))
	for i := 1; i <= 5; i++ {
		w.loseAnswers.Store(2)
		first := &stream.Record{Topic: stream.Inbound, Value: fmt.Append(nil, i)}
		h.must(b.Publish(h.ctx, first, &stream.Record{Topic: stream.Inbound, Value: []byte("and")}))
		if got, err := b.At(h.ctx, stream.Inbound, 0, first.Offset); err != nil || string(got.Value) != string(first.Value) {
			h.Errorf("at the offset that was told stands %q (%v)", got.Value, err)
		}
		if w.loseAnswers.Load() > 0 {
			h.Fatal("no answer got lost, so nothing was tried")
		}
	}
	if n := len(h.all(b, stream.Inbound, 0)); n != 11 {
		h.Errorf("%d records where 11 were published", n)
	}
}

// kafkaAwayIsToldInTime: Publish waits as long as its caller does, and goes on by itself when Kafka is back.
func kafkaAwayIsToldInTime(h *harness) {
	w := &wire{}
	b := h.ready(w.apply)
	h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Value: []byte("before")}))
	w.sever()
	short, cancel := context.WithTimeout(h.ctx, 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := b.Publish(short, &stream.Record{Topic: stream.Inbound, Value: []byte("given up")})
	if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
		h.Errorf("without Kafka: %v after %v", err, time.Since(began))
	}
	done := make(chan error, 1)
	go func() { done <- b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Value: []byte("patient")}) }()
	select {
	case err := <-done:
		h.Fatalf("published without Kafka: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	w.mend()
	h.must(<-done)
	got := h.all(b, stream.Inbound, 0)
	if last := got[len(got)-1]; string(last.Value) != "patient" || string(got[0].Value) != "before" || len(got) > 3 {
		h.Errorf("%d records, the last %q", len(got), last.Value)
	}
	nowhere := h.open(func(cfg *bus.Config) { cfg.Brokers = []string{"127.0.0.1:1"} })
	short, cancel = context.WithTimeout(h.ctx, 200*time.Millisecond)
	defer cancel()
	if err := nowhere.Publish(short, &stream.Record{Topic: stream.Inbound}); fault.KindOf(err) != fault.Unavailable {
		h.Errorf("with no Kafka from the start: %v", err)
	}
}

// tooMuchQueuedIsRefused: while Kafka is away, memory stays bounded.
func tooMuchQueuedIsRefused(h *harness) {
	w := &wire{}
	b := h.ready(w.apply)
	w.sever()
	ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
	defer cancel()
	refused := make(chan struct{}, 100)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			err := b.Publish(ctx, &stream.Record{Topic: stream.Dead, Value: make([]byte, 3<<20)})
			if fault.KindOf(err) != fault.Unavailable {
				h.Errorf("with too much queued: %v", err)
			}
			if ctx.Err() == nil {
				refused <- struct{}{}
			}
		})
	}
	<-refused // at once, though its caller would wait
	cancel()
	wg.Wait()
	w.mend()
	h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Dead, Value: []byte("room again")}))
}

// memoryIsTheCallers: once Publish has returned, whatever it returned, its caller may write over keys and values. Answers get
// lost meanwhile, and many callers give up.
func memoryIsTheCallers(h *harness) {
	w := &wire{}
	b := h.ready(w.apply)
	h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Events, Value: []byte("first ")}))
	const writers, calls = 16, 60
	var wg sync.WaitGroup
	var kept atomic.Int32
	for id := range writers {
		wg.Go(func() {
			value, key := make([]byte, 0, 4<<10), []byte{0}
			for n := range calls {
				if id == 0 && n%10 == 0 {
					w.loseAnswers.Store(1)
				}
				word := fmt.Sprintf("%d-%d ", id, n)
				value, key[0] = append(value[:0], strings.Repeat(word, 1+n*3)...), byte('a'+id)
				patient, cancel := context.WithTimeout(h.ctx, time.Duration(1+n%7)*time.Millisecond)
				if n%3 == 0 {
					patient = h.ctx
				}
				if b.Publish(patient, &stream.Record{Topic: stream.Events, Partition: id % 2, Key: key, Value: value}) == nil {
					kept.Add(1)
				}
				cancel()
				clear(value)
				key[0] = 0
			}
		})
	}
	wg.Wait()
	found := int32(0)
	for p := range 2 {
		for _, r := range h.all(b, stream.Events, p) {
			word, _, _ := strings.Cut(string(r.Value), " ")
			if strings.ReplaceAll(string(r.Value), word+" ", "") != "" || word != "first" && !strings.HasPrefix(word, fmt.Sprint(r.Key[0]-'a')+"-") {
				h.Fatalf("offset %d of partition %d holds %.60q under %q", r.Offset, p, r.Value, r.Key)
			}
			found++
		}
	}
	if found < kept.Load()+1 || kept.Load() < writers*calls/3 {
		h.Errorf("%d records where %d were acknowledged", found, kept.Load()+1)
	}
}

// anywhereIsSomewhere: a record whose partition is left open stands where its caller is told, once, and all partitions have
// their turn.
func anywhereIsSomewhere(h *harness) {
	b := h.ready()
	const writers, calls = 8, 20
	var wg sync.WaitGroup
	for id := range writers {
		wg.Go(func() {
			for n := range calls {
				r := &stream.Record{Topic: stream.Inbound, Partition: stream.Anywhere, Key: []byte("one for all"), Value: fmt.Appendf(nil, "%d/%d", id, n)}
				if err := b.Publish(h.ctx, r); err != nil {
					h.Error(err)
					return
				}
				if got, err := b.At(h.ctx, stream.Inbound, r.Partition, r.Offset); err != nil || string(got.Value) != string(r.Value) {
					h.Errorf("offset %d of partition %d holds %q (%v), not %q", r.Offset, r.Partition, got.Value, err, r.Value)
				}
			}
		})
	}
	wg.Wait()
	found := map[string]bool{}
	for p := range shards {
		all := h.all(b, stream.Inbound, p)
		if len(all) == 0 {
			h.Errorf("partition %d never had its turn", p)
		}
		for _, r := range all {
			if found[string(r.Value)] {
				h.Errorf("%s stands there twice", r.Value)
			}
			found[string(r.Value)] = true
		}
	}
	if len(found) != writers*calls {
		h.Errorf("%d records of %d", len(found), writers*calls)
	}
}

// forgottenProducersGoOn: a producer that the broker no longer knows gets a new identity, and nothing is lost.
func forgottenProducersGoOn(h *harness) {
	b := h.ready()
	for i := range 3 {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Commands, Value: fmt.Append(nil, i)}))
	}
	// A topic made anew knows no producers: the next sequence is a gap to it.
	name := h.prefix + string(stream.Commands)
	_, err := h.client.DeleteTopics(h.ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	h.must(err)
	h.eventually("the topic can be made again", func() bool {
		response, err := h.client.CreateTopics(h.ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: shards, ReplicationFactor: 1}}})
		return err == nil && response.Errors[name] == nil
	})
	h.eventually("brokers have taken the old one's log away", func() bool { // what is published before is lost with it
		_, end, err := b.Ends(h.ctx, stream.Commands, 0)
		return err == nil && end == 0
	})
	h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Commands, Value: []byte("after")}))
	if got := h.all(b, stream.Commands, 0); len(got) != 1 || string(got[0].Value) != "after" {
		h.Errorf("%d records", len(got))
	}
}
