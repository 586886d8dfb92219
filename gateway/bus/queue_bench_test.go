package bus

import (
	"fmt"
	"sync"
	"testing"

	"optgate/pipeline/stream"
)

// BenchmarkQueue is what a record costs between its caller and a request to Kafka, 64 to a request, with pools and without:
// without them each record of 1 KiB costs 3 allocations and 4.7 KB.
func BenchmarkQueue(b *testing.B) {
	for _, pooled := range []bool{true, false} {
		b.Run(fmt.Sprintf("pooled=%v", pooled), func(b *testing.B) {
			door := desk()
			q := &door.queue
			leaders := map[place]int32{{stream.Inbound, 1}: 1}
			anyone := func(*leader) bool { return true }
			var lanes []*lane
			var waiters []*waiter
			records := []*stream.Record{{Topic: stream.Inbound, Partition: 1, Value: make([]byte, 1<<10)}}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				w := q.waiter(1)
				w.parts[0] = part{at: place{stream.Inbound, 1}, size: bodySize(records[0]) + recordOverhead}
				if err := q.put(w, records, door.Partitions); err != nil {
					b.Fatal(err)
				}
				if waiters = append(waiters, w); len(waiters) < 64 {
					continue
				}
				q.mu.Lock()
				lanes, _, _ = q.loads(lanes[:0], leaders, anyone)
				q.mu.Unlock()
				door.land(lanes, 0)
				for _, w := range waiters {
					<-w.told
					q.done(w)
				}
				waiters = waiters[:0]
				if !pooled {
					q.waiters, q.batches = sync.Pool{}, sync.Pool{}
				}
			}
		})
	}
}
