package bus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// Owned is the fenced log of one owned partition, in as many topics as its owner appends to. Kafka refuses an older owner
// of the same name and partition in each topic in which the newer one has appended: Claim alone stops nobody yet, so that
// every claim begins with a record in each of the topics. One goroutine at a time may use it.
type Owned struct {
	b         *Bus
	id        string // transactional id; no transactions are used
	partition int
	session   session
	claimed   bool
	sequences map[place]int32
	appended  time.Time // wall clock, so that a suspended machine's sleep counts
}

// Own names the log of a partition by its kind of owner, as "shard-" or "lane-". Nothing is claimed by it.
func (b *Bus) Own(name string, partition int) *Owned {
	return &Owned{b: b, id: b.cfg.Prefix + name + strconv.Itoa(partition), partition: partition}
}

// Claim makes this the newest owner: once it has appended to a topic, every older owner's append there is refused with
// stream.ErrDeposed. It tries until ctx ends.
func (o *Owned) Claim(ctx context.Context) error {
	o.claimed = false
	err := o.b.retry(ctx, final, func() error {
		s, err := o.b.initProducer(ctx, o.id)
		o.session = s
		return err
	})
	if err != nil {
		return fmt.Errorf("claim %s: %w", o.id, err)
	}
	o.claimed, o.sequences, o.appended = true, map[place]int32{}, wall()
	return nil
}

// Append appends records to the owned partition of a topic as one batch, all or none, and gives the offset of the first;
// Partition and Offset are set in each. It repeats the same batch until it is acknowledged, and brokers swallow repeats.
// stream.ErrDeposed: a newer owner has claimed, or the broker forgot us. After any error, also ctx's, the batch may or may
// not stand in the log (its acknowledgement may have been lost), and nothing can be appended before the next Claim.
func (o *Owned) Append(ctx context.Context, topic stream.Topic, records []*stream.Record) (base int64, err error) {
	return o.append(ctx, place{topic, o.partition}, records)
}

func (o *Owned) append(ctx context.Context, at place, records []*stream.Record) (int64, error) {
	if !o.claimed {
		return 0, fmt.Errorf("append to %s/%d: not claimed: %w", at.topic, at.partition, stream.ErrDeposed)
	}
	if len(records) == 0 {
		return 0, fmt.Errorf("append to %s/%d: no records", at.topic, at.partition)
	}
	encoded := batch(o.session, o.sequences[at], time.Now().UnixMilli(), records)
	if most := o.b.topics[at.topic].maxBytes; len(encoded) > most {
		return 0, fmt.Errorf("append to %s/%d: %d bytes, at most %d", at.topic, at.partition, len(encoded), most)
	}
	var base int64
	stays := func(err error) bool { return final(err) || deposes(err) }
	err := o.b.retry(ctx, stays, func() error {
		answer := o.b.post(ctx, parcel{at, encoded})
		base = answer.base
		return answer.err
	})
	switch {
	case err == nil:
	case deposes(err):
		o.claimed = false
		return 0, fmt.Errorf("append to %s/%d: %w: %w", at.topic, at.partition, stream.ErrDeposed, err)
	default:
		o.claimed = false
		return 0, fmt.Errorf("append to %s/%d: %w", at.topic, at.partition, err)
	}
	for i, r := range records {
		r.Topic, r.Partition, r.Offset = at.topic, at.partition, base+int64(i)
	}
	o.sequences[at] = after(o.sequences[at], len(records))
	o.appended = wall()
	return base, nil
}

// Idle gives how long ago the last append was acknowledged, by the wall clock. Brokers forget a producer that was quiet for
// long, and with it whom they have to refuse: who was idle for more than an hour claims before it appends.
func (o *Owned) Idle() time.Duration { return wall().Sub(o.appended) }

// wall is the time without the monotonic clock, which stands still while a machine sleeps.
func wall() time.Time { return time.Now().Round(0) }

// initProducer asks for a session. With a transactional id every older session of that id is refused from then on.
func (b *Bus) initProducer(ctx context.Context, transactional string) (session, error) {
	response, err := b.client.InitProducerID(ctx, &kafka.InitProducerIDRequest{
		TransactionalID: transactional, TransactionTimeoutMs: 60_000, ProducerID: -1, ProducerEpoch: -1})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return session{}, fmt.Errorf("producer id: %w", err)
	}
	return session{int64(response.Producer.ProducerID), int16(response.Producer.ProducerEpoch)}, nil
}
