//go:build !race

package bus

import (
	"testing"

	"optgate/pipeline/stream"
)

// TestPublishAllocates guards what a record costs on its way to a request and back.
func TestPublishAllocates(t *testing.T) {
	b := desk()
	go func() {
		lanes := []*lane(nil)
		leaders := map[place]int32{{stream.Inbound, 1}: 1}
		anyone := func(*leader) bool { return true }
		for range b.queue.wake {
			b.queue.mu.Lock()
			lanes, _, _ = b.queue.loads(lanes[:0], leaders, anyone)
			b.queue.mu.Unlock()
			b.land(lanes, 5)
		}
	}()
	r := &stream.Record{Topic: stream.Inbound, Key: []byte("447700900101"), Value: make([]byte, 1<<10), Headers: []stream.Header{{Key: "v", Value: "1"}}}
	records := []*stream.Record{r}
	n := testing.AllocsPerRun(1000, func() {
		r.Partition = 1
		if err := b.Publish(t.Context(), records...); err != nil || r.Offset != 5 {
			t.Fatal(err, r.Offset)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations for a record", n)
	}
	close(b.queue.wake)
}
