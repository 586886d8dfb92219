package bustest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go/protocol"

	"optgate/gateway/bus"
)

// wire watches and disturbs the connections of a Bus.
type wire struct {
	loseAnswers atomic.Int32 // so many produce requests reach the broker, and their answers get lost
	cut         atomic.Bool  // nothing can be reached
	produced    atomic.Int32 // produce requests so far

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
		t.wire.produced.Add(1)
		if t.wire.loseAnswers.Add(-1) >= 0 {
			t.lose = true
		}
	}
	return t.Conn.Write(b)
}

func (t *tapped) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if t.lose && err == nil {
		t.Conn.Close()
		return 0, errors.New("the answer got lost")
	}
	return n, err
}

// deleteRecords lets a log begin at an offset, as a disk that lost its first files would.
func (h *harness) deleteRecords(topic string, partition int, before int64) {
	h.Helper()
	response, err := h.client.Transport.RoundTrip(h.ctx, h.client.Addr, &deleteRecordsRequest{TimeoutMs: 5000, Topics: []deleteRecordsTopic{{
		Topic: h.prefix + topic, Partitions: []deleteRecordsPartition{{Partition: int32(partition), Offset: before}}}}})
	h.must(err)
	for _, t := range response.(*deleteRecordsResponse).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				h.Fatalf("delete records: error %d", p.ErrorCode)
			}
		}
	}
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
func (*deleteRecordsRequest) ApiKey() protocol.ApiKey { return protocol.DeleteRecords }

// ApiKey implements protocol.Message.
func (*deleteRecordsResponse) ApiKey() protocol.ApiKey { return protocol.DeleteRecords }

// Broker implements protocol.BrokerMessage: the leader has to be asked.
func (r *deleteRecordsRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	topic := r.Topics[0]
	partition, known := cluster.Topics[topic.Topic].Partitions[topic.Partitions[0].Partition]
	if !known {
		return protocol.Broker{}, fmt.Errorf("no partition %d of %s", topic.Partitions[0].Partition, topic.Topic)
	}
	return cluster.Brokers[partition.Leader], nil
}
