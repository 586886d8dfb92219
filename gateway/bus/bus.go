// Package bus is the door to Kafka: publishing by group commit, following and reading logs, groups, and the fenced logs of
// owned partitions. It decides nothing about what records mean.
package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// Config says which Kafka to use and how.
type Config struct {
	Brokers     []string    // host:port, at least one
	Prefix      string      // before every topic, group and transactional id
	Shards      chat.Shards // of the installation, which sets the partitions of the topics
	SingleCopy  bool        // one copy of each record is accepted
	Replication int         // copies of each partition; 0: 1 with SingleCopy, else 3
	TLS         *tls.Config // nil: plain connections
	SASL        SASL        // zero: no authentication
	ClientID    string      // how brokers' logs and quotas name us; "": optgate
	// Dial makes connections; nil: TCP. TLS and SASL are spoken over what it gives.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Bus speaks to one Kafka. It connects by itself, again and again, for as long as it is open.
type Bus struct {
	cfg       Config
	log       zerolog.Logger
	transport *kafka.Transport
	client    *kafka.Client
	dialer    *kafka.Dialer // for groups, which kafka-go serves by its older connections
	addr      net.Addr
	topics    map[stream.Topic]settings

	cluster cluster
	queue   queue
	appends appends
	feed    feed

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Open makes a Bus. It does no I/O: Kafka may come later.
func Open(cfg Config, log zerolog.Logger) (*Bus, error) {
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("kafka: no broker given")
	}
	if cfg.Shards < 1 {
		return nil, fmt.Errorf("kafka: %d shards, at least 1", cfg.Shards)
	}
	if cfg.Replication == 0 {
		cfg.Replication = 3
		if cfg.SingleCopy {
			cfg.Replication = 1
		}
	}
	if cfg.ClientID == "" {
		cfg.ClientID = "optgate"
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	b := &Bus{cfg: cfg, log: log, addr: kafka.TCP(cfg.Brokers...), topics: table(cfg.Shards)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.connect(mechanism)
	b.queue.init()
	b.appends.init()
	b.feed.init()
	b.wg.Go(b.flush)
	return b, nil
}

func (b *Bus) connect(mechanism sasl.Mechanism) {
	names := make([]string, 0, len(b.topics))
	for topic := range b.topics {
		names = append(names, b.name(topic))
	}
	dial := b.cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 2 * time.Second}).DialContext
	}
	b.transport = &kafka.Transport{
		Dial:        dial,
		DialTimeout: 5 * time.Second,
		IdleTimeout: time.Minute,
		MetadataTTL: 5 * time.Second,
		// Asking for our own topics only keeps the answer small on a shared Kafka, and never creates one.
		MetadataTopics: names,
		ClientID:       b.cfg.ClientID,
		TLS:            b.cfg.TLS,
		SASL:           mechanism,
		Context:        b.ctx,
	}
	b.client = &kafka.Client{Addr: b.addr, Timeout: requestTimeout, Transport: b.transport}
	b.dialer = &kafka.Dialer{ClientID: b.cfg.ClientID, Timeout: 2 * time.Second, DialFunc: dial, TLS: b.cfg.TLS, SASLMechanism: mechanism}
}

// Close ends all that the Bus does in the background and waits for it. What is still queued for publishing is dropped, and
// whoever waits for it is told.
func (b *Bus) Close() error {
	b.feed.mu.Lock() // nothing starts after this
	b.appends.mu.Lock()
	b.cancel()
	b.appends.mu.Unlock()
	b.feed.mu.Unlock()
	b.wg.Wait()
	b.queue.drop(errClosed)
	b.transport.CloseIdleConnections()
	return nil
}

var (
	errClosed   = errors.New("kafka: closed")
	errNoAnswer = errors.New("kafka: no answer for this partition")
)

// name gives a topic's full name.
func (b *Bus) name(topic stream.Topic) string { return b.cfg.Prefix + string(topic) }

// Partitions gives the number of partitions of a topic; 0: there is no such topic.
func (b *Bus) Partitions(topic stream.Topic) int { return b.topics[topic].partitions }

// short gives a topic by its full name.
func (b *Bus) short(name string) stream.Topic {
	return stream.Topic(strings.TrimPrefix(name, b.cfg.Prefix))
}
