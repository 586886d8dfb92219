package bustest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"optgate/gateway/bus"
	"optgate/pipeline/stream"
)

// wire watches and disturbs the connections of a Bus.
type wire struct {
	loseAnswers atomic.Int32 // so many produce requests reach the broker, and their answers get lost
	cut         atomic.Bool  // nothing can be reached
	produced    atomic.Int32 // produce requests so far
	cutBefore   atomic.Int32 // the produce request of this number, counted from 1, finds the wire cut

	holdCommits chan struct{} // where there is one, commits of offsets wait until it is closed

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// apply makes a Bus use the wire.
func (w *wire) apply(cfg *bus.Config) { cfg.Dial = w.dial }

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.cut.Load() {
		return nil, errors.New("the wire is cut")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns == nil {
		w.conns = map[net.Conn]bool{}
	}
	w.conns[conn] = true
	return &tapped{Conn: conn, wire: w}, nil
}

// sever cuts all connections and lets none be made until mend.
func (w *wire) sever() {
	w.cut.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		conn.Close()
	}
	clear(w.conns)
}

func (w *wire) mend() { w.cut.Store(false) }

type tapped struct {
	net.Conn
	wire *wire
	lose bool // the answer to what was written last; one request at a time is on a connection
}

func (t *tapped) Write(b []byte) (int, error) {
	// A request begins with its length and its kind, 0 for produce. kafka-go writes the head of a request in one piece.
	if len(b) >= 8 && binary.BigEndian.Uint16(b[4:]) == uint16(protocol.Produce) {
		if n := t.wire.produced.Add(1); n == t.wire.cutBefore.Load() {
			t.wire.sever()
		}
		if t.wire.loseAnswers.Add(-1) >= 0 {
			t.lose = true
		}
	}
	if held := t.wire.holdCommits; held != nil && len(b) >= 8 && binary.BigEndian.Uint16(b[4:]) == uint16(protocol.OffsetCommit) {
		<-held
	}
	return t.Conn.Write(b)
}

func (t *tapped) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if t.lose && err == nil {
		_ = t.Close()
		return 0, errors.New("the answer got lost")
	}
	return n, err
}

// deleteRecords lets a log begin at an offset, as a disk that lost its first files would.
func (h *harness) deleteRecords(topic string, partition int, before int64) {
	h.Helper()
	if topic == string(stream.State) { // Kafka deletes nothing where records are only compacted
		h.alter(kafka.ResourceTypeTopic, h.prefix+topic, map[string]string{"cleanup.policy": "compact,delete"})
		defer h.alter(kafka.ResourceTypeTopic, h.prefix+topic, map[string]string{"cleanup.policy": "compact"})
	}
	h.eventually("records are deleted", func() bool { // a changed policy takes a moment to be known
		response, err := h.client.Transport.RoundTrip(h.ctx, h.client.Addr, &deleteRecordsRequest{TimeoutMs: 5000, Topics: []deleteRecordsTopic{{
			Topic: h.prefix + topic, Partitions: []deleteRecordsPartition{{Partition: int32(partition), Offset: before}}}}})
		h.must(err)
		return response.(*deleteRecordsResponse).Topics[0].Partitions[0].ErrorCode == 0
	})
}

// The DeleteRecords call of Kafka's protocol, which kafka-go does not know.
type (
	deleteRecordsRequest struct {
		Topics    []deleteRecordsTopic `kafka:"min=v0,max=v1"`
		TimeoutMs int32                `kafka:"min=v0,max=v1"`
	}
	deleteRecordsTopic struct {
		Topic      string                   `kafka:"min=v0,max=v1"`
		Partitions []deleteRecordsPartition `kafka:"min=v0,max=v1"`
	}
	deleteRecordsPartition struct {
		Partition int32 `kafka:"min=v0,max=v1"`
		Offset    int64 `kafka:"min=v0,max=v1"`
	}
	deleteRecordsResponse struct {
		ThrottleTimeMs int32                 `kafka:"min=v0,max=v1"`
		Topics         []deletedRecordsTopic `kafka:"min=v0,max=v1"`
	}
	deletedRecordsTopic struct {
		Topic      string                    `kafka:"min=v0,max=v1"`
		Partitions []deletedRecordsPartition `kafka:"min=v0,max=v1"`
	}
	deletedRecordsPartition struct {
		Partition    int32 `kafka:"min=v0,max=v1"`
		LowWatermark int64 `kafka:"min=v0,max=v1"`
		ErrorCode    int16 `kafka:"min=v0,max=v1"`
	}
)

// ApiKey implements protocol.Message.
func (*deleteRecordsRequest) ApiKey() protocol.ApiKey { return protocol.DeleteRecords } //nolint:revive,staticcheck // the interface says so

// ApiKey implements protocol.Message.
func (*deleteRecordsResponse) ApiKey() protocol.ApiKey { return protocol.DeleteRecords } //nolint:revive,staticcheck // the interface says so

// Broker implements protocol.BrokerMessage: the leader has to be asked.
func (r *deleteRecordsRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	topic := r.Topics[0]
	partition, known := cluster.Topics[topic.Topic].Partitions[topic.Partitions[0].Partition]
	if !known {
		return protocol.Broker{}, fmt.Errorf("no partition %d of %s", topic.Partitions[0].Partition, topic.Topic)
	}
	return cluster.Brokers[partition.Leader], nil
}

// session makes a producer under a transactional id.
func (h *harness) session(id string) *kafka.ProducerSession {
	h.Helper()
	response, err := h.client.InitProducerID(h.ctx, &kafka.InitProducerIDRequest{TransactionalID: id, TransactionTimeoutMs: 60_000, ProducerID: -1, ProducerEpoch: -1})
	h.must(err)
	h.must(response.Error)
	return response.Producer
}

// rawProduce appends one record to partition 0 under a sequence of the caller's choice.
func (h *harness) rawProduce(topic string, s *kafka.ProducerSession, sequence int32, value string) error {
	h.Helper()
	set := protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(protocol.Record{Time: time.Now(), Value: protocol.NewBytes([]byte(value))})}
	var encoded bytes.Buffer
	_, err := set.WriteTo(&encoded)
	h.must(err)
	b := encoded.Bytes() // 4 bytes of length, then the batch with its producer at 43 and its checksum at 17
	binary.BigEndian.PutUint64(b[4+43:], uint64(s.ProducerID))
	binary.BigEndian.PutUint16(b[4+51:], uint16(s.ProducerEpoch))
	binary.BigEndian.PutUint32(b[4+53:], uint32(sequence))
	binary.BigEndian.PutUint32(b[4+17:], crc32.Checksum(b[4+21:], crc32.MakeTable(crc32.Castagnoli)))
	response, err := h.client.RawProduce(h.ctx, &kafka.RawProduceRequest{Topic: topic, RequiredAcks: kafka.RequireAll,
		RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(b)}})
	h.must(err)
	return response.Error
}
