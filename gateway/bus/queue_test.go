package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// desk is a Bus without a Kafka: what is queued is settled by the test.
func desk() *Bus {
	b := &Bus{topics: table(4)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.queue.init()
	b.queue.session, b.queue.valid = session{id: 7}, true
	return b
}

// load takes what can be sent now.
func (b *Bus) load() []*lane {
	leaders := map[place]int32{}
	for topic, s := range b.topics {
		for p := range s.partitions {
			leaders[place{topic, p}] = 1
		}
	}
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	lanes, _, _ := b.queue.loads(nil, leaders, func(*leader) bool { return true })
	return lanes
}

// land acknowledges flights at the given offset.
func (b *Bus) land(lanes []*lane, base int64) {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	for _, l := range lanes {
		l.land(&b.queue, base)
		l.sending = false
		b.queue.see(l)
	}
}

func TestWhatNobodyWaitsForAnyMoreIsNotSent(t *testing.T) {
	b := desk()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := b.Publish(ctx, &stream.Record{Topic: stream.Dead, Value: make([]byte, 3<<20)}, &stream.Record{Topic: stream.Inbound})
			if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	for queued := 0; queued < 20; {
		<-b.queue.wake
		b.queue.mu.Lock()
		queued = b.queue.bytes / (3 << 20)
		b.queue.mu.Unlock()
	}
	cancel()
	wg.Wait()
	if lanes := b.load(); len(lanes) > 0 || b.queue.bytes != 0 {
		t.Errorf("%d lanes have something to send, %d bytes are queued", len(lanes), b.queue.bytes)
	}
}

// TestWhatIsOnItsWayStaysAsItWas lets callers give up and use their memory for something else at random moments, while flights
// are repeated, land, or are taken back for another session: what Kafka is given is always what was published, in its order.
func TestWhatIsOnItsWayStaysAsItWas(t *testing.T) {
	b := desk()
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for writer := range 8 {
		callers.Go(func() {
			value := make([]byte, 0, 128<<10)
			for n := 0; ctx.Err() == nil; n++ {
				size := 10 + rand.IntN(200)
				if rand.IntN(50) == 0 {
					size = maxLocked + rand.IntN(1000)
				}
				value = value[:0]
				for len(value) < size {
					value = fmt.Appendf(value, "%d/%d ", writer, n)
				}
				patient, leave := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
				_ = b.Publish(patient, &stream.Record{Topic: stream.Inbound, Partition: writer % 2, Value: value, Key: []byte{byte(writer)}})
				leave()
				clear(value[:cap(value)])
			}
		})
	}
	type reading struct{ encoded, then []byte }
	var stragglers []reading // requests that may be read for as long as they like
	last, kept := map[byte]int{}, 0
	for id := int64(1); kept < 5_000; id++ {
		<-b.queue.wake
		lanes := b.load()
		for _, l := range lanes {
			encoded := l.flight.encoded
			switch rand.IntN(8) {
			case 0: // nobody knows whether it arrived: the same is sent again
				b.queue.mu.Lock()
				l.flight.read = true
				b.queue.mu.Unlock()
				stragglers = append(stragglers, reading{encoded, bytes.Clone(encoded)})
			case 1: // under another session
				b.queue.mu.Lock()
				l.flight.read = l.flight.read || rand.IntN(2) == 0
				l.reload()
				l.sending = false
				b.queue.see(l)
				b.queue.mu.Unlock()
				b.queue.nudge()
				continue
			}
			for _, r := range decoded(t, l.flight.encoded, 0).records {
				writer, n := 0, 0
				if _, err := fmt.Sscanf(string(r.Value), "%d/%d ", &writer, &n); err != nil || byte(writer) != r.Key[0] {
					t.Fatalf("a record of writer %d holds %.40q", r.Key[0], r.Value)
				}
				if n < last[r.Key[0]] {
					t.Fatalf("writer %d: %d came after %d", writer, n, last[r.Key[0]])
				}
				last[r.Key[0]] = n + 1
				kept++
			}
			b.land([]*lane{l}, 0)
		}
		if len(lanes) > 0 {
			b.queue.nudge()
		}
	}
	cancel()
	callers.Wait()
	for _, s := range stragglers {
		if !bytes.Equal(s.encoded, s.then) {
			t.Fatal("a request that may still be read was written to")
		}
	}
}

func TestALaneKeepsItsSequence(t *testing.T) {
	b := desk()
	sent := make(chan int64, 1)
	publish := func(n int) {
		go func() {
			records := make([]*stream.Record, n)
			for i := range records {
				records[i] = &stream.Record{Topic: stream.Inbound}
			}
			if err := b.Publish(t.Context(), records...); err != nil {
				t.Error(err)
			}
			sent <- records[n-1].Offset
		}()
		<-b.queue.wake
	}
	for i, want := range []int32{0, 3, 4} {
		publish([]int{3, 1, 2}[i])
		lanes := b.load()
		if len(lanes) != 1 || lanes[0].flight.sequence != want || lanes[0].flight.session.id != 7 {
			t.Fatalf("flight %d: %+v", i, lanes)
		}
		b.land(lanes, 100)
		if offset := <-sent; offset != 100+int64([]int{3, 1, 2}[i])-1 {
			t.Errorf("the last record was told offset %d", offset)
		}
	}
}

// TestWhatMayGoAnywhereGoesTogether: one batch a request, over all partitions in turn, past those that fail.
func TestWhatMayGoAnywhereGoesTogether(t *testing.T) {
	b := desk()
	var wg sync.WaitGroup
	publish := func(n int) {
		before := b.queue.waiting()
		for range n {
			wg.Go(func() {
				r := &stream.Record{Topic: stream.Inbound, Partition: stream.Anywhere, Key: []byte{byte(n)}}
				if err := b.Publish(t.Context(), r); err == nil && (r.Partition < 0 || r.Partition > 3) {
					t.Error(r.Partition)
				}
			})
		}
		for b.queue.waiting() < before+n {
			<-b.queue.wake
			b.queue.nudge()
		}
	}
	used := map[int]bool{}
	var flying []*lane
	for i := range 3 { // nothing lands meanwhile
		publish(5)
		lanes := b.load()
		if len(lanes) != 1 || len(lanes[0].flight.entries) != 5 || used[lanes[0].at.partition] {
			t.Fatalf("request %d: %d batches", i, len(lanes))
		}
		used[lanes[0].at.partition] = true
		flying = append(flying, lanes...)
	}
	publish(1) // to the fourth, which is found to fail
	b.queue.mu.Lock()
	for _, l := range b.queue.ready {
		l.fail(errNoAnswer)
	}
	b.queue.mu.Unlock()
	b.land(flying, 0)
	publish(4)
	for _, l := range b.load() {
		if len(l.flight.entries) != 4 {
			t.Errorf("%d records together", len(l.flight.entries))
		}
		b.land([]*lane{l}, 0)
	}
	b.queue.drop(errClosed)
	wg.Wait()
}

// waiting counts the records that wait for their request.
func (q *queue) waiting() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		for _, o := range l.waiting {
			n += len(o.entries)
		}
	}
	return n
}
