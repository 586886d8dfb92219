package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"optgate/pipeline/stream"
)

// requestTimeout bounds one request: a broker that keeps silent longer is as good as gone.
const requestTimeout = 10 * time.Second

// place is one partition of a topic.
type place struct {
	topic     stream.Topic
	partition int
}

// cluster remembers which broker leads which partition. The zero value knows nothing.
type cluster struct {
	mu        sync.Mutex
	leaders   map[place]int32
	at        time.Time // when leaders were asked for
	refreshed time.Time // when connections were last dropped to look around anew
}

// leaders gives the leader of each partition of our topics, at most a second old. Partitions without a leader are missing.
func (b *Bus) leaders(ctx context.Context) (map[place]int32, error) {
	c := &b.cluster
	c.mu.Lock()
	leaders, fresh := c.leaders, time.Since(c.at) < time.Second
	c.mu.Unlock()
	if fresh {
		return leaders, nil
	}
	asked := time.Now()
	response, err := b.roundTrip(ctx, &metadata.Request{}) // answered from the transport's own cache
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	leaders = map[place]int32{}
	full := map[string]stream.Topic{}
	for topic := range b.topics {
		full[b.name(topic)] = topic
	}
	for _, t := range response.(*metadata.Response).Topics {
		topic, ours := full[t.Name]
		if !ours || t.ErrorCode != 0 {
			continue
		}
		for _, p := range t.Partitions {
			if p.LeaderID >= 0 && p.ErrorCode != int16(kafka.LeaderNotAvailable) {
				leaders[place{topic, int(p.PartitionIndex)}] = p.LeaderID
			}
		}
	}
	c.mu.Lock()
	c.leaders, c.at = leaders, asked
	c.mu.Unlock()
	return leaders, nil
}

// refresh forgets the layout of the cluster, so that the next request asks for it anew. kafka-go offers no other way than to
// drop its connections; those in use end their request first. Done at most twice a second.
func (b *Bus) refresh() {
	c := &b.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.refreshed) < 500*time.Millisecond {
		return
	}
	c.refreshed, c.at = time.Now(), time.Time{}
	b.transport.CloseIdleConnections()
}

// roundTrip sends one request and waits for its answer, at most requestTimeout.
func (b *Bus) roundTrip(ctx context.Context, request protocol.Message) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := b.transport.RoundTrip(ctx, b.addr, request)
	if err != nil {
		return nil, err
	}
	return response, nil
}

// retry calls ask until it returns nil or an error that stays, or ctx ends; then with ask's last error.
func (b *Bus) retry(ctx context.Context, stays func(error) bool, ask func() error) error {
	wait := firstBackoff
	for {
		err := ask()
		if err == nil || stays(err) {
			return err
		}
		b.refresh()
		if !pause(ctx, wait) {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		wait = min(2*wait, lastBackoff)
	}
}

const (
	firstBackoff = 20 * time.Millisecond
	lastBackoff  = time.Second
)

// pause waits; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// oneOf says whether an error is one of Kafka's codes.
func oneOf(err error, codes ...kafka.Error) bool {
	code, ok := errors.AsType[kafka.Error](err)
	return ok && slices.Contains(codes, code)
}

// coded gives the error of a code in a response, nil for none.
func coded(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}

// final says that asking again can't help: the request itself is refused.
func final(err error) bool {
	return oneOf(err, kafka.InvalidMessage, kafka.MessageSizeTooLarge, kafka.InvalidTopic, kafka.RecordListTooLarge,
		kafka.InvalidRequiredAcks, kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed,
		kafka.ClusterAuthorizationFailed, kafka.TransactionalIDAuthorizationFailed, kafka.InvalidTimestamp,
		kafka.UnsupportedVersion, kafka.PolicyViolation, kafka.InvalidRecord, kafka.InvalidRequest)
}

// deposes says that the broker knows a newer producer under our name, or does not know us any more.
func deposes(err error) bool {
	return oneOf(err, kafka.InvalidProducerEpoch, kafka.ProducerFenced, kafka.OutOfOrderSequenceNumber,
		kafka.UnknownProducerId, kafka.InvalidProducerIDMapping, kafka.DuplicateSequenceNumber, kafka.InvalidTransactionState)
}
