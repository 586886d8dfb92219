package bus

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/segmentio/kafka-go/protocol"

	"optgate/pipeline/stream"
)

// session is a producer as brokers know it: they swallow a batch that repeats a sequence and refuse a gap, and refuse a
// session of an older epoch.
type session struct {
	id    int64
	epoch int16
}

// body encodes what a record carries, apart from its place in a batch: key, value and headers.
func body(r *stream.Record) []byte {
	size := 3 * binary.MaxVarintLen32
	for _, h := range r.Headers {
		size += 2*binary.MaxVarintLen32 + len(h.Key) + len(h.Value)
	}
	b := make([]byte, 0, size+len(r.Key)+len(r.Value))
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

// batchOverhead is what a batch adds to its bodies, and recordOverhead what each record does, at most.
const (
	batchOverhead  = 61
	recordOverhead = 2 + 2*binary.MaxVarintLen32
)

// batch encodes a record batch of version 2 (Kafka's documentation, "Message Format"), uncompressed, all records of one
// time, with the length that a produce request puts before it.
func batch(s session, sequence int32, millis int64, bodies [][]byte) []byte {
	size := 4 + batchOverhead
	for _, body := range bodies {
		size += recordOverhead + len(body)
	}
	count := len(bodies)
	b := make([]byte, 4, size)
	b = binary.BigEndian.AppendUint64(b, 0)              // base offset, given by the broker
	b = binary.BigEndian.AppendUint32(b, 0)              // length, below
	b = binary.BigEndian.AppendUint32(b, math.MaxUint32) // leader epoch, given by the broker
	b = append(b, 2)
	b = binary.BigEndian.AppendUint32(b, 0) // checksum, below
	b = binary.BigEndian.AppendUint16(b, 0) // attributes: no compression, create time, no transaction
	b = binary.BigEndian.AppendUint32(b, uint32(count-1))
	b = binary.BigEndian.AppendUint64(b, uint64(millis))
	b = binary.BigEndian.AppendUint64(b, uint64(millis))
	b = binary.BigEndian.AppendUint64(b, uint64(s.id))
	b = binary.BigEndian.AppendUint16(b, uint16(s.epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(sequence))
	b = binary.BigEndian.AppendUint32(b, uint32(count))
	var head [recordOverhead]byte
	for i, body := range bodies {
		h := append(head[:0], 0, 0) // attributes, and no difference to the batch's time
		h = binary.AppendVarint(h, int64(i))
		b = binary.AppendVarint(b, int64(len(h)+len(body)))
		b = append(b, h...)
		b = append(b, body...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	binary.BigEndian.PutUint32(b[12:], uint32(len(b)-16))
	binary.BigEndian.PutUint32(b[21:], crc32.Checksum(b[25:], crc32.MakeTable(crc32.Castagnoli)))
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
