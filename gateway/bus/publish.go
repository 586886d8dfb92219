package bus

import (
	"context"
	"fmt"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// Publish keeps records: it returns nil once all in-sync replicas have every one, and then Partition and Offset are set in
// each. Records for one partition keep their order, within a call and over calls that follow each other. Calls that come
// together share a request (group commit); a lone one waits for nothing. When ctx ends first, or too much is queued, the
// error is of the kind fault.Unavailable, and any of the records may stand in the log all the same. The records are encoded
// before anything is waited for: nobody looks at them, or at their bytes, after Publish has returned.
func (b *Bus) Publish(ctx context.Context, records ...*stream.Record) error {
	if len(records) == 0 {
		return nil
	}
	w := b.queue.waiter(len(records))
	defer b.queue.done(w)
	for i, r := range records {
		at, err := b.placeOf(r)
		if err != nil {
			return err
		}
		size := bodySize(r)
		if all, most := size+batchOverhead+recordOverhead, b.topics[at.topic].maxBytes; all > most {
			return fault.New(fault.TooLarge, "record_too_large", "A record of %s has %d bytes, at most %d are kept.", at.topic, all, most)
		}
		w.parts[i] = part{at: at, size: size + recordOverhead}
		if size > maxLocked {
			w.parts[i].batch = b.queue.lone(r)
		}
	}
	if err := b.queue.put(w, records, b.Partitions); err != nil {
		return err
	}
	select {
	case <-w.told:
	case <-ctx.Done():
		if err := b.queue.leave(w, context.Cause(ctx)); err != nil {
			return fault.Wrap(err, fault.Unavailable, "kafka_away", "Kafka did not answer in time; try again")
		}
	}
	if w.err != nil {
		return w.err
	}
	for i, r := range records {
		r.Partition, r.Offset = w.parts[i].at.partition, w.parts[i].offset
	}
	return nil
}

func (b *Bus) placeOf(r *stream.Record) (place, error) {
	n := b.Partitions(r.Topic)
	if n == 0 {
		return place{}, fmt.Errorf("publish: unknown topic %q", r.Topic)
	}
	at := place{r.Topic, r.Partition}
	switch r.Partition {
	case stream.Anywhere: // seen to by queue.put
		return at, nil
	case stream.AnyPartition:
		at.partition = stream.Spread(r.Key, n)
	}
	if at.partition < 0 || at.partition >= n {
		return place{}, fmt.Errorf("publish: %s has no partition %d of %d", r.Topic, at.partition, n)
	}
	return at, nil
}

// waiter is one call of Publish. Its fields are guarded by the queue's mutex while it is queued, and the call's own before
// and, if it was told, after.
type waiter struct {
	told   chan struct{} // once, when nothing is left
	left   int           // records without an answer
	err    error
	gone   bool // nobody waits any more
	queued bool // somebody may still tell it
	parts  []part
}

// part is one record of a call.
type part struct {
	at     place
	size   int // at most, encoded
	lane   *lane
	batch  *openBatch // that it stands in; nil once it is answered
	offset int64
}
