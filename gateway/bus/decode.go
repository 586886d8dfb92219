package bus

import (
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"

	"optgate/pipeline/stream"
)

// page is what one fetch brought of one partition.
type page struct {
	records []stream.Record
	next    int64 // the first offset that the fetch did not tell of; the one asked for if it told nothing
	base    int64 // offset of the first batch, -1 where there was none
	high    int64
}

// decode reads a fetched set of records from an offset on. Compaction may have taken any records of a batch, even all:
// such a batch brings next no further than its base, since kafka-go does not tell where it ends.
func decode(at place, set protocol.RecordSet, from int64) (page, error) {
	p := page{next: from, base: -1}
	if set.Records == nil {
		return p, nil
	}
	sets, ok := set.Records.(*protocol.RecordStream)
	if !ok {
		return p, fmt.Errorf("%s/%d: records of the unknown shape %T", at.topic, at.partition, set.Records)
	}
	for _, batch := range sets.Records {
		var base int64
		control := false
		switch b := batch.(type) {
		case *protocol.RecordBatch:
			base = b.BaseOffset
		case *protocol.ControlBatch:
			base, control = b.BaseOffset, true
		case *protocol.MessageSet:
			base = b.BaseOffset
		default:
			return p, fmt.Errorf("%s/%d: a batch of the unknown shape %T", at.topic, at.partition, batch)
		}
		if p.base < 0 {
			p.base = base
		}
		p.next = max(p.next, base+1)
		if control {
			continue
		}
		for {
			r, err := batch.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return p, fmt.Errorf("%s/%d: record after %d: %w", at.topic, at.partition, p.next-1, err)
			}
			if err := p.add(at, r, from); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

func (p *page) add(at place, r *protocol.Record, from int64) error {
	key, err := owned(r.Key)
	if err != nil {
		return fmt.Errorf("%s/%d: key at %d: %w", at.topic, at.partition, r.Offset, err)
	}
	value, err := owned(r.Value)
	if err != nil {
		return fmt.Errorf("%s/%d: value at %d: %w", at.topic, at.partition, r.Offset, err)
	}
	p.next = max(p.next, r.Offset+1)
	if r.Offset < from {
		return nil // a fetch gives whole batches
	}
	record := stream.Record{Topic: at.topic, Partition: at.partition, Offset: r.Offset, Key: key, Value: value, Time: r.Time}
	if len(r.Headers) > 0 {
		record.Headers = make([]stream.Header, len(r.Headers))
		for i, h := range r.Headers {
			record.Headers[i] = stream.Header{Key: h.Key, Value: string(h.Value)}
		}
	}
	p.records = append(p.records, record)
	return nil
}

// owned copies bytes out of kafka-go's shared pages and gives the page back. Nil stays nil: a tombstone.
func owned(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	value, err := protocol.ReadAll(b)
	if err != nil {
		return nil, err
	}
	return value, b.Close()
}
