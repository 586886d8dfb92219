package bustest

import (
	"fmt"
	"sync"

	"optgate/pipeline/stream"
)

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
				for _, r := range records { // acknowledged means readable, under the offset that was told
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
