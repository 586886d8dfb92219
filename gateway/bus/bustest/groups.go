package bustest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"optgate/gateway/bus"
	"optgate/pipeline/stream"
)

// member runs Consume until stop is called.
func (h *harness) member(b *bus.Bus, handle func(context.Context, []stream.Record) error) (stop func()) {
	ctx, cancel := context.WithCancel(h.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Consume(ctx, "inbound", stream.Inbound, handle); !errors.Is(err, context.Canceled) {
			h.Errorf("consume: %v", err)
		}
	})
	return sync.OnceFunc(func() { cancel(); wg.Wait() })
}

// tally counts what was handled.
type tally struct {
	mu   sync.Mutex
	seen map[string]int
}

func (t *tally) add(batch []stream.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]int{}
	}
	for _, r := range batch {
		t.seen[string(r.Value)]++
	}
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen)
}

func (h *harness) fill(b *bus.Bus, from, to int) {
	h.Helper()
	for i := from; i < to; i++ {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Partition: i % shards, Value: fmt.Appendf(nil, "%d", i),
			Headers: []stream.Header{{Key: "received_at", Value: strconv.FormatInt(time.Now().UnixMilli(), 10)}}}))
	}
}

// consumersShareAndResume: members divide the partitions, one that leaves is followed by the others, and what was committed
// does not come again.
func consumersShareAndResume(h *harness) {
	b, other := h.ready(), h.open()
	h.fill(b, 0, 40)
	var all, second tally
	stop := h.member(b, func(_ context.Context, batch []stream.Record) error { all.add(batch); return nil })
	h.eventually("one member handles everything", func() bool { return all.count() == 40 })
	stopSecond := h.member(other, func(_ context.Context, batch []stream.Record) error { all.add(batch); second.add(batch); return nil })
	next := 40
	h.eventually("a second member gets its share", func() bool {
		h.fill(b, next, next+shards)
		next += shards
		return second.count() > 0
	})
	stop()
	h.fill(b, next, next+20)
	next += 20
	h.eventually("the second goes on alone", func() bool { return all.count() == next })
	stopSecond()
	var third tally
	stop = h.member(b, func(_ context.Context, batch []stream.Record) error { third.add(batch); return nil })
	h.fill(b, next, next+4)
	h.eventually("a third goes on where they were", func() bool { return third.count() >= 4 })
	stop()
	if n := third.count(); n > 4+20 {
		h.Errorf("%d records came again after they were committed", n-4)
	}
}

// failuresComeAgain: a batch whose handler fails or panics comes again until it is handled, in order, and meanwhile the
// other partitions go on.
func failuresComeAgain(h *harness) {
	b := h.ready()
	h.fill(b, 0, 8)
	var done tally
	var mu sync.Mutex
	failures := 0
	stop := h.member(b, func(_ context.Context, batch []stream.Record) error {
		if batch[0].Partition == 1 {
			mu.Lock()
			defer mu.Unlock()
			if failures++; failures < 6 {
				if failures%2 == 0 {
					panic("a handler's mistake")
				}
				return errors.New("not now")
			}
		}
		done.add(batch)
		return nil
	})
	h.eventually("the other partitions go on", func() bool { return done.count() >= 6 })
	h.eventually("the failing one is handled", func() bool { return done.count() == 8 })
	stop()
	if done.seen["1"] != 1 || done.seen["5"] != 1 {
		h.Errorf("handled %v", done.seen)
	}
}

// zombiesDoNotCommit: a member that was thought dead, and comes back, does not set the group back.
func zombiesDoNotCommit(h *harness) {
	b, other := h.ready(), h.open()
	h.fill(b, 0, 40)
	stuck, release := make(chan struct{}, shards), make(chan struct{})
	stopZombie := h.member(b, func(_ context.Context, batch []stream.Record) error {
		if string(batch[0].Value) <= "3" {
			stuck <- struct{}{}
			<-release // deaf to its context, as a process that hangs
		}
		return nil
	})
	for range shards {
		<-stuck
	}
	var done tally
	stop := h.member(other, func(_ context.Context, batch []stream.Record) error { done.add(batch); return nil })
	h.eventually("the other handles everything", func() bool { return done.count() == 40 })
	h.eventually("it is committed", func() bool {
		left, err := other.Oldest(h.ctx, "inbound", stream.Inbound)
		return err == nil && left.Lag == 0
	})
	close(release)
	h.fill(other, 40, 44)
	h.eventually("the group goes on", func() bool {
		left, err := other.Oldest(h.ctx, "inbound", stream.Inbound)
		if err == nil && left.Lag > 4 {
			h.Fatalf("the group was set back: %d are unhandled", left.Lag)
		}
		return err == nil && left.Lag == 0 && left.At.IsZero()
	})
	stop()
	stopZombie()
}

// commitsHoldNothingUp: what comes next is handled while Kafka takes its time to commit what was handled, and all of it is
// committed in the end.
func commitsHoldNothingUp(h *harness) {
	w := &wire{holdCommits: make(chan struct{})}
	b := h.ready(w.apply)
	release := sync.OnceFunc(func() { close(w.holdCommits) })
	defer release()
	var done tally
	stop := h.member(b, func(_ context.Context, batch []stream.Record) error { done.add(batch); return nil })
	for n := shards; n <= 4*shards; n += shards {
		h.fill(b, n-shards, n)
		h.eventually("what comes next is handled", func() bool { return done.count() == n })
	}
	if left, err := b.Oldest(h.ctx, "inbound", stream.Inbound); err != nil || left.Lag != 4*shards {
		h.Errorf("the test held nothing: %+v, %v", left, err)
	}
	release()
	h.eventually("it is committed", func() bool {
		left, err := b.Oldest(h.ctx, "inbound", stream.Inbound)
		return err == nil && left.Lag == 0
	})
	stop()
	for value, times := range done.seen {
		if times != 1 {
			h.Errorf("%s was handled %d times", value, times)
		}
	}
}

// lossStopsConsumers: a group that had committed what the log no longer holds stops with an error, and skips nothing.
func lossStopsConsumers(h *harness) {
	b := h.ready()
	h.fill(b, 0, 4*shards)
	stop := h.member(b, func(_ context.Context, batch []stream.Record) error { return nil })
	h.eventually("all is committed", func() bool {
		left, err := b.Oldest(h.ctx, "inbound", stream.Inbound)
		return err == nil && left.Lag == 0
	})
	stop()
	h.fill(b, 0, 4*shards)
	h.deleteRecords(string(stream.Inbound), 2, 6)
	err := b.Consume(h.ctx, "inbound", stream.Inbound, func(_ context.Context, batch []stream.Record) error {
		if batch[0].Partition == 2 {
			h.Errorf("partition 2 went on at %d", batch[0].Offset)
		}
		return nil
	})
	if !errors.Is(err, stream.ErrTruncated) {
		h.Errorf("consume: %v", err)
	}
	if _, err := b.Oldest(h.ctx, "inbound", stream.Inbound); !errors.Is(err, stream.ErrTruncated) {
		h.Errorf("oldest: %v", err)
	}
}

// oldestTellsTheTruth: of what is uncommitted over all partitions, or that it can't be told.
func oldestTellsTheTruth(h *harness) {
	b := h.ready()
	left, err := b.Oldest(h.ctx, "inbound", stream.Inbound)
	if err != nil || left != (bus.Backlog{}) {
		h.Errorf("of nothing: %+v, %v", left, err)
	}
	publish := func(p int, received string) {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Inbound, Partition: p, Value: make([]byte, 100<<10), Headers: []stream.Header{{Key: "received_at", Value: received}}}))
	}
	publish(0, "5000")
	publish(0, "1000") // behind the first, so not looked at
	publish(1, "4000")
	publish(3, "6000")
	left, err = b.Oldest(h.ctx, "inbound", stream.Inbound)
	if err != nil || left.Lag != 4 || left.Kept != 4 || left.At.UnixMilli() != 4000 {
		h.Errorf("of a group that never committed: %+v, %v", left, err)
	}
	var done tally
	h.eventually("all is committed", func() bool {
		stop := h.member(b, func(_ context.Context, batch []stream.Record) error { done.add(batch); return nil })
		defer stop()
		h.eventually("", func() bool {
			left, err = b.Oldest(h.ctx, "inbound", stream.Inbound)
			return err == nil && left.Lag == 0
		})
		return true
	})
	publish(2, "7000")
	publish(1, "8000")
	left, err = b.Oldest(h.ctx, "inbound", stream.Inbound)
	if err != nil || left.Lag != 2 || left.Kept != 6 || left.At.UnixMilli() != 7000 {
		h.Errorf("of two: %+v, %v", left, err)
	}
	publish(3, "soon")
	if _, err = b.Oldest(h.ctx, "inbound", stream.Inbound); err == nil {
		h.Error("a record without a time was read as something")
	}
	w := &wire{}
	cut := h.open(w.apply)
	w.sever()
	short, cancel := context.WithTimeout(h.ctx, time.Second)
	defer cancel()
	if _, err = cut.Oldest(short, "inbound", stream.Inbound); err == nil {
		h.Error("no answer was read as something")
	}
}

// assignmentsAreDivided: each partition has one owner, who can prove it, and another soon after he left.
func assignmentsAreDivided(h *harness) {
	topics := []stream.Topic{stream.Commands, stream.OutboundBulk}
	type owner struct {
		mu   sync.Mutex
		last bus.Assignment
		stop func()
	}
	join := func(b *bus.Bus) *owner {
		o := &owner{}
		ctx, cancel := context.WithCancel(h.ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			err := b.Assign(ctx, "owners", topics, func(a bus.Assignment) {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.last = a
			})
			if !errors.Is(err, context.Canceled) {
				h.Errorf("assign: %v", err)
			}
		})
		o.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
		return o
	}
	owns := func(o *owner) (all []string, a bus.Assignment) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for topic, partitions := range o.last.Partitions {
			for _, p := range partitions {
				all = append(all, fmt.Sprintf("%s/%d", topic, p))
			}
		}
		return all, o.last
	}
	total := shards + shards/2
	first := join(h.ready())
	h.eventually("one has all", func() bool { all, _ := owns(first); return len(all) == total })
	_, a := owns(first)
	h.must(a.Holds(h.ctx, stream.Commands, 3))
	second := join(h.open())
	h.eventually("two divide them", func() bool {
		one, _ := owns(first)
		two, _ := owns(second)
		return len(one) > 0 && len(two) > 0 && len(one)+len(two) == total && !strings.Contains(fmt.Sprint(two), one[0])
	})
	ours, a := owns(first)
	theirs, c := owns(second)
	for _, id := range ours {
		topic, p, _ := strings.Cut(id, "/")
		partition, err := strconv.Atoi(p)
		h.must(err)
		h.must(a.Holds(h.ctx, stream.Topic(topic), partition))
		if err := c.Holds(h.ctx, stream.Topic(topic), partition); !errors.Is(err, bus.ErrNotHeld) {
			h.Errorf("%s, which the other has: %v", id, err)
		}
	}
	began := time.Now()
	first.stop()
	h.eventually("the other has all", func() bool { all, _ := owns(second); return len(all) == total })
	if took := time.Since(began); took > 4*time.Second {
		h.Errorf("one who left was followed after %v", took)
	}
	_, c = owns(second)
	h.must(c.Holds(h.ctx, stream.Commands, 0))
	if len(theirs) == 0 {
		h.Error("nothing was divided")
	}
	second.stop()
	if err := c.Holds(h.ctx, stream.Commands, 0); !errors.Is(err, bus.ErrNotHeld) {
		h.Error("one who left still holds")
	}
}
