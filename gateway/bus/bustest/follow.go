package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"optgate/gateway/bus"
	"optgate/pipeline/stream"
)

// followersSeeEverything: many followers, one behind, two on one partition, each gets every record once and in order, and
// what is published while it waits reaches it soon.
func followersSeeEverything(h *harness) {
	b := h.ready()
	publish := func(p, from, to int) {
		for i := from; i < to; i++ {
			h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Events, Partition: p, Value: fmt.Append(nil, i)}))
		}
	}
	for p := range shards {
		publish(p, 0, 20)
	}
	var wg sync.WaitGroup
	for _, start := range []struct {
		partition int
		from      int64
	}{{0, 0}, {0, 7}, {1, 0}, {2, 20}, {3, 3}} {
		f := b.Follow(stream.Events, start.partition, start.from)
		wg.Go(func() {
			defer f.Close()
			for next := start.from; next < 60; {
				round, err := f.Next(h.ctx)
				if err != nil {
					h.Error(err)
					return
				}
				for _, r := range round.Records {
					if r.Offset != next || string(r.Value) != fmt.Sprint(next) || r.Partition != start.partition || r.Topic != stream.Events {
						h.Errorf("partition %d: %s at %d came where %d was due", r.Partition, r.Value, r.Offset, next)
						return
					}
					next++
				}
				if round.High < next {
					h.Errorf("the log ends at %d, before %d", round.High, next)
				}
			}
		})
	}
	for p := range shards {
		publish(p, 20, 60)
	}
	wg.Wait()

	f := b.Follow(stream.Commands, 0, 0)
	defer f.Close()
	_, err := f.Next(h.ctx)
	h.must(err)
	slow := 0
	for range 10 {
		began := time.Now()
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Commands}))
		for {
			round, err := f.Next(h.ctx)
			h.must(err)
			if len(round.Records) > 0 {
				break
			}
		}
		if time.Since(began) > 200*time.Millisecond {
			slow++
		}
	}
	if slow > 3 {
		h.Errorf("%d of 10 records took over 200 ms to a waiting follower", slow)
	}
}

// emptyRoundsStayFresh: while nothing comes a follower still learns how far the log goes, and as of when.
func emptyRoundsStayFresh(h *harness) {
	b := h.ready()
	h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Commands, Partition: 2}, &stream.Record{Topic: stream.Commands, Partition: 2}))
	f := b.Follow(stream.Commands, 2, 2)
	defer f.Close()
	var began time.Time
	for i := range 5 {
		before := time.Now()
		round, err := f.Next(h.ctx)
		h.must(err)
		if len(round.Records) != 0 || round.High != 2 {
			h.Fatalf("round %+v", round)
		}
		if !round.Began.After(began) {
			h.Errorf("a round began at %v, the one before at %v", round.Began, began)
		}
		if i > 1 && time.Since(before) > 600*time.Millisecond {
			h.Errorf("nothing for %v", time.Since(before))
		}
		began = round.Began
	}
	// A reader that was away for a while finds the newest one only.
	wait, cancel := context.WithTimeout(h.ctx, 900*time.Millisecond)
	defer cancel()
	<-wait.Done()
	asked := time.Now()
	round, err := f.Next(h.ctx)
	h.must(err)
	if asked.Sub(round.Began) > 700*time.Millisecond {
		h.Errorf("the round is %v old", asked.Sub(round.Began))
	}
}

// busyFollowersStallNobody: one that has stopped reading, with much before it, keeps no other from its records.
func busyFollowersStallNobody(h *harness) {
	b := h.ready()
	for range 6 {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Value: make([]byte, 900<<10)}))
	}
	busy := b.Follow(stream.Inbound, 0, 0)
	defer busy.Close()
	idle := b.Follow(stream.Inbound, 1, 0)
	defer idle.Close()
	for i := range 10 {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Partition: 1, Value: fmt.Append(nil, i)}))
		began := time.Now()
		for got := false; !got; {
			round, err := idle.Next(h.ctx)
			h.must(err)
			got = len(round.Records) > 0
		}
		if took := time.Since(began); took > time.Second {
			h.Errorf("record %d took %v", i, took)
		}
	}
	for n := 0; n < 6; {
		round, err := busy.Next(h.ctx)
		h.must(err)
		n += len(round.Records)
	}
}

// roundsAreBounded: thousands of records come in rounds of 2,000 at most.
func roundsAreBounded(h *harness) {
	b := h.ready()
	records := make([]*stream.Record, 5000)
	for i := range records {
		records[i] = &stream.Record{Topic: stream.Events, Value: fmt.Append(nil, i)}
	}
	h.must(b.Publish(h.ctx, records...))
	f := b.Follow(stream.Events, 0, 0)
	defer f.Close()
	for n := 0; n < len(records); {
		round, err := f.Next(h.ctx)
		h.must(err)
		if len(round.Records) > 2000 {
			h.Fatalf("a round of %d", len(round.Records))
		}
		n += len(round.Records)
	}
}

// slowReadersGetLargeRounds: what came one by one while the reader was busy comes to it together, in order.
func slowReadersGetLargeRounds(h *harness) {
	b := h.ready()
	f := b.Follow(stream.Commands, 0, 0)
	defer f.Close()
	const records = 150
	for i := range records {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Commands, Value: fmt.Append(nil, i)}))
	}
	rounds := 0
	for n := 0; n < records; {
		round, err := f.Next(h.ctx)
		h.must(err)
		for _, r := range round.Records {
			if string(r.Value) != fmt.Sprint(n) {
				h.Fatalf("%s came where %d was due", r.Value, n)
			}
			n++
		}
		if len(round.Records) > 0 {
			rounds++
		}
		if round.High < int64(n) {
			h.Errorf("%d records of a log that ends at %d", n, round.High)
		}
	}
	if rounds > records/10 {
		h.Errorf("%d records came in %d rounds", records, rounds)
	}
}

// lossIsNoticed: a log that begins after, or ends before, what its reader was at.
func lossIsNoticed(h *harness) {
	b := h.ready()
	for i := range 10 {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Commands, Value: fmt.Append(nil, i)}))
	}
	h.deleteRecords(string(stream.Commands), 0, 6)
	first, end, err := b.Ends(h.ctx, stream.Commands, 0)
	h.must(err)
	if first != 6 || end != 10 {
		h.Fatalf("the log goes from %d to %d", first, end)
	}
	for _, from := range []int64{0, 5, 11, 1000} {
		f := b.Follow(stream.Commands, 0, from)
		for i := range 2 {
			if _, err := f.Next(h.ctx); !errors.Is(err, stream.ErrTruncated) {
				h.Errorf("call %d, followed from %d of [6,10): %v", i, from, err)
			}
		}
		f.Close()
	}
	for _, from := range []int64{6, 10} {
		f := b.Follow(stream.Commands, 0, from)
		if _, err := f.Next(h.ctx); err != nil {
			h.Errorf("followed from %d of [6,10): %v", from, err)
		}
		f.Close()
		if _, err := f.Next(h.ctx); err == nil {
			f.Close()
			if _, err = f.Next(h.ctx); err == nil {
				h.Error("a closed follower goes on")
			}
		}
	}
	ignore := func(stream.Record) error { return nil }
	if err := b.Read(h.ctx, stream.Commands, 0, 2, 10, ignore); !errors.Is(err, stream.ErrTruncated) {
		h.Errorf("read from 2 of [6,10): %v", err)
	}
	if err := b.Read(h.ctx, stream.Commands, 0, 20, 30, ignore); !errors.Is(err, stream.ErrTruncated) {
		h.Errorf("read from 20 of [6,10): %v", err)
	}
	if _, err := b.At(h.ctx, stream.Commands, 0, 3); !errors.Is(err, stream.ErrTruncated) {
		h.Errorf("at 3 of [6,10): %v", err)
	}
	// A log that was compacted may begin anywhere.
	owned := b.Own("owner", 0)
	h.must(owned.Claim(h.ctx))
	for i := range 3 {
		_, err := owned.Append(h.ctx, stream.State, one(fmt.Sprint(i)))
		h.must(err)
	}
	h.deleteRecords(string(stream.State), 0, 2)
	var got []string
	h.must(b.Read(h.ctx, stream.State, 0, 0, 4, func(r stream.Record) error {
		got = append(got, string(r.Key))
		return nil
	}))
	if fmt.Sprint(got) != "[1 2]" {
		h.Errorf("read %v", got)
	}
}

// readingEndsWithItsReader: an error of the reader's stops it, and so does the end of its context.
func readingEndsWithItsReader(h *harness) {
	b := h.ready()
	for range 3 {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Commands}))
	}
	enough, n := errors.New("enough"), 0
	err := b.Read(h.ctx, stream.Commands, 0, 0, 3, func(stream.Record) error {
		n++
		if n == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 2 {
		h.Errorf("after %d records: %v", n, err)
	}
	short, cancel := context.WithTimeout(h.ctx, 200*time.Millisecond)
	defer cancel()
	if err := b.Read(short, stream.Commands, 0, 0, 4, func(stream.Record) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		h.Errorf("read past the end: %v", err)
	}
	f := b.Follow(stream.Commands, 0, 3)
	defer f.Close()
	canceled, stop := context.WithCancel(h.ctx)
	stop()
	for err = nil; err == nil; {
		_, err = f.Next(canceled)
	}
	if !errors.Is(err, context.Canceled) {
		h.Errorf("followed after the end: %v", err)
	}
	short, cancel = context.WithTimeout(h.ctx, 200*time.Millisecond)
	defer cancel()
	nowhere := h.open(func(cfg *bus.Config) { cfg.Brokers = []string{"127.0.0.1:1"} })
	if _, _, err := nowhere.Ends(short, stream.Commands, 0); !errors.Is(err, context.DeadlineExceeded) {
		h.Errorf("ends without Kafka: %v", err)
	}
}

// followersSurviveAnOutage: connections are made anew, and nothing is lost or seen twice.
func followersSurviveAnOutage(h *harness) {
	w := &wire{}
	b, steady := h.ready(w.apply), h.open()
	f := b.Follow(stream.Commands, 1, 0)
	defer f.Close()
	next := int64(0)
	for outage := range 3 {
		h.must(steady.Publish(h.ctx, &stream.Record{Topic: stream.Commands, Partition: 1}))
		w.sever()
		h.must(steady.Publish(h.ctx, &stream.Record{Topic: stream.Commands, Partition: 1}))
		w.mend()
		for next < int64(2*outage+2) {
			round, err := f.Next(h.ctx)
			h.must(err)
			for _, r := range round.Records {
				if r.Offset != next {
					h.Fatalf("%d came where %d was due", r.Offset, next)
				}
				next++
			}
		}
	}
}
