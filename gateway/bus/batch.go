package bus

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"

	"github.com/segmentio/kafka-go/protocol"

	"optgate/pipeline/stream"
)

// This file writes record batches of version 2 (Kafka's documentation, "Message Format"): uncompressed, all records of one
// time. A batch is begun, gets its records one after the other, and is sealed when it is known whose it is and which.

// session is a producer as brokers know it: they swallow a batch that repeats a sequence and refuse a gap, and refuse a
// session of an older epoch.
type session struct {
	id    int64
	epoch int16
}

// batchOverhead is what a batch adds to its bodies, and recordOverhead what each record does, at most.
const (
	batchOverhead  = 61
	recordOverhead = 2 + 2*binary.MaxVarintLen32
)

// beginning is the length that a produce request puts before a batch, and the batch's own head, both filled in by seal.
const beginning = 4 + batchOverhead

// begin makes a batch without records in b's memory, as far as that reaches.
func begin(b []byte) []byte { return append(b[:0], make([]byte, beginning)...) }

// add appends a batch's record of the given index, apart from what depends on the batch.
func add(b []byte, index int, r *stream.Record) []byte {
	b = binary.AppendVarint(b, int64(2+varintSize(index)+bodySize(r)))
	b = append(b, 0, 0) // attributes, and no difference to the batch's time
	b = binary.AppendVarint(b, int64(index))
	return appendBody(b, r)
}

// seal fills in what a batch of so many records begins with, and its checksum. It may be done again.
func seal(b []byte, s session, sequence int32, millis int64, count int) {
	order, head := binary.BigEndian, b[4:]
	order.PutUint32(b, uint32(len(head)))
	order.PutUint64(head, 0)                        // base offset, given by the broker
	order.PutUint32(head[8:], uint32(len(head)-12)) // length of what follows
	order.PutUint32(head[12:], math.MaxUint32)      // leader epoch, given by the broker
	head[16] = 2                                    // version
	order.PutUint16(head[21:], 0)                   // attributes: no compression, create time, no transaction
	order.PutUint32(head[23:], uint32(count-1))     // last offset
	order.PutUint64(head[27:], uint64(millis))      // first time
	order.PutUint64(head[35:], uint64(millis))      // last time
	order.PutUint64(head[43:], uint64(s.id))        //
	order.PutUint16(head[51:], uint16(s.epoch))     //
	order.PutUint32(head[53:], uint32(sequence))    //
	order.PutUint32(head[57:], uint32(count))       //
	order.PutUint32(head[17:], checksum(head[21:])) // of all that follows it
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// appendBody encodes what a record carries, apart from its place in a batch: key, value and headers.
func appendBody(b []byte, r *stream.Record) []byte {
	b = appendBytes(b, r.Key)
	b = appendBytes(b, r.Value)
	b = binary.AppendVarint(b, int64(len(r.Headers)))
	for _, h := range r.Headers {
		b = binary.AppendVarint(b, int64(len(h.Key)))
		b = append(b, h.Key...)
		b = binary.AppendVarint(b, int64(len(h.Value)))
		b = append(b, h.Value...)
	}
	return b
}

func appendBytes(b, value []byte) []byte {
	if value == nil {
		return binary.AppendVarint(b, -1)
	}
	b = binary.AppendVarint(b, int64(len(value)))
	return append(b, value...)
}

// bodySize gives the length of a record's body.
func bodySize(r *stream.Record) int {
	size := bytesSize(r.Key) + bytesSize(r.Value) + varintSize(len(r.Headers))
	for _, h := range r.Headers {
		size += varintSize(len(h.Key)) + len(h.Key) + varintSize(len(h.Value)) + len(h.Value)
	}
	return size
}

func bytesSize(value []byte) int {
	if value == nil {
		return 1
	}
	return varintSize(len(value)) + len(value)
}

// varintSize gives how many bytes binary.AppendVarint makes of a number that is not below 0.
func varintSize(n int) int { return (bits.Len64(uint64(n)<<1|1) + 6) / 7 }

// batch encodes a whole batch.
func batch(s session, sequence int32, millis int64, records []*stream.Record) []byte {
	size := beginning
	for _, r := range records {
		size += recordOverhead + bodySize(r)
	}
	b := begin(make([]byte, 0, size))
	for i, r := range records {
		b = add(b, i, r)
	}
	seal(b, s, sequence, millis, len(records))
	return b
}

// after gives the sequence that follows n records; it wraps as brokers expect.
func after(sequence int32, n int) int32 {
	if room := math.MaxInt32 - int(sequence); n > room {
		return int32(n - room - 1)
	}
	return sequence + int32(n)
}

func raw(batch []byte) protocol.RawRecordSet {
	return protocol.RawRecordSet{Reader: bytes.NewReader(batch)}
}
