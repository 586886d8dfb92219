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
	key, value, err := owned(r)
	if err != nil {
		return fmt.Errorf("%s/%d: record at %d: %w", at.topic, at.partition, r.Offset, err)
	}
	p.next = max(p.next, r.Offset+1)
	if r.Offset < from {
		return nil // a fetch gives whole batches
	}
	p.records = append(p.records, stream.Record{
		Topic: at.topic, Partition: at.partition, Offset: r.Offset, Key: key, Value: value, Headers: headers(r.Headers), Time: r.Time,
	})
	return nil
}

// owned copies a record's bytes out of kafka-go's shared pages, in one piece, and gives the pages back. Nil stays nil: a
// tombstone.
func owned(r *protocol.Record) (key, value []byte, err error) {
	whole := make([]byte, length(r.Key)+length(r.Value))
	cut := func(b protocol.Bytes) []byte {
		if b == nil || err != nil {
			return nil
		}
		n := b.Len()
		part := whole[:n:n]
		whole = whole[n:]
		if _, err = io.ReadFull(b, part); err == nil {
			err = b.Close()
		}
		return part
	}
	key, value = cut(r.Key), cut(r.Value)
	return key, value, err
}

func length(b protocol.Bytes) int {
	if b == nil {
		return 0
	}
	return b.Len()
}

// headers copies a record's headers, the texts of all in one piece.
func headers(from []protocol.Header) []stream.Header {
	if len(from) == 0 {
		return nil
	}
	b := make([]byte, 0, 64)
	for _, h := range from {
		b = append(b, h.Value...)
	}
	texts, all := string(b), make([]stream.Header, len(from))
	for i, h := range from {
		all[i] = stream.Header{Key: h.Key, Value: texts[:len(h.Value)]}
		texts = texts[len(h.Value):]
	}
	return all
}
