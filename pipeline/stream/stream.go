// Package stream holds the nouns of what is kept: topics, records and the rounds they are read in.
// It knows no broker; gateway/bus gives each topic its settings.
package stream

import (
	"context"
	"errors"
	"time"
)

// Topic is a topic's short name; the bus puts the configured prefix before it.
type Topic string

// The topics. Settings, retention and keys stand in gateway/bus/topics.go.
const (
	Inbound         Topic = "inbound"
	Commands        Topic = "commands"
	State           Topic = "state"
	Consent         Topic = "consent"
	OutboundReplies Topic = "outbound.replies"
	OutboundBulk    Topic = "outbound.bulk"
	IntentsReplies  Topic = "intents.replies"
	IntentsBulk     Topic = "intents.bulk"
	Outcomes        Topic = "outcomes"
	Events          Topic = "events"
	Dead            Topic = "dead"
	Media           Topic = "media"
)

// Version is the version of every record written today, header "v" or member "v".
// A reader takes every version up to its own and stops with ErrVersion at a higher one.
const Version = 1

var (
	// ErrDeposed says that a newer owner has claimed the partition: drop everything in memory, call nothing.
	ErrDeposed = errors.New("deposed by a newer owner")
	// ErrVersion says that a record was written by a newer Optgate.
	ErrVersion = errors.New("record of a newer version")
	// ErrTruncated says that a log begins after the offset asked for, or ends before it: Kafka lost data.
	ErrTruncated = errors.New("log does not hold the offset asked for")
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value string
}

// Record is one record of a topic. Offset and Time are set by the broker.
type Record struct {
	Topic     Topic
	Partition int // AnyPartition: chosen by the key; Anywhere: by whoever publishes
	Offset    int64
	Key       []byte
	Value     []byte // nil: a tombstone
	Headers   []Header
	Time      time.Time
}

// AnyPartition leaves the choice of a partition to the key's hash.
const AnyPartition = -1

// Anywhere leaves the choice of a partition to whoever publishes, whatever the key: what comes together stays together, and
// takes turns over the partitions. A broker has less to do for one batch than for one in each partition, above all where it
// syncs them to disk.
const Anywhere = -2

// Header gives a header's value, "" where it is missing.
func (r Record) Header(key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return ""
}

// Round is what one fetch brought of one partition: possibly nothing, but then High still tells how far the log goes.
type Round struct {
	Records []Record
	High    int64     // offset after the last record at the time of the fetch
	Began   time.Time // when the fetch was begun, by this process's monotonic clock
}

// Publisher keeps records: it returns nil once every one is acknowledged by all in-sync replicas, and then Partition
// and Offset are set in each. On an error any of them may stand in the log all the same.
type Publisher interface {
	Publish(ctx context.Context, records ...*Record) error
}

// Spread gives the partition of a key among n: by FNV-1a of 64 bits, written out because every webhook asks, and
// hash/fnv's takes an allocation.
func Spread[K string | []byte](key K, n int) int {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return int(h >> 1 % uint64(n))
}
