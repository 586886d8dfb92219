package bus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"optgate/pipeline/fault"
)

// deliver sends the flights of lanes, all of one leader, in one request and settles each by its answer. False: something went
// wrong, and it is to be looked at anew who leads what and whose session holds.
func (b *Bus) deliver(lanes []*lane) bool {
	parcels := make([]parcel, len(lanes))
	for i, l := range lanes {
		parcels[i] = parcel{l.at, l.flight.encoded}
	}
	results, err := b.produce(b.ctx, parcels)
	fine := err == nil
	q := &b.queue
	q.mu.Lock()
	for i, l := range lanes {
		result := results[i]
		if err != nil {
			result.err = err
			l.flight.read = true
		}
		switch {
		case result.err == nil:
			l.land(q, result.base)
		case final(result.err):
			l.refuse(q, result.err)
		case deposes(result.err):
			fine, q.valid = false, q.valid && q.session != l.flight.session
			l.reload()
			l.fail(result.err)
		default:
			fine = false
			l.fail(result.err)
		}
		l.sending = false
		q.see(l)
	}
	q.mu.Unlock()
	if !fine {
		b.refresh()
	}
	return fine
}

// land settles an acknowledged flight.
func (l *lane) land(q *queue, base int64) {
	l.sequence = after(l.sequence, len(l.flight.entries))
	q.answer(l.flight, base, nil)
	l.settled()
}

// refuse settles a flight that the broker will never take. Its sequence was not used up by that, but may have been by an
// attempt before: to use it again could have the next batch swallowed as a repeat, while a gap is refused and mended.
func (l *lane) refuse(q *queue, err error) {
	if l.why != nil {
		l.sequence = after(l.sequence, len(l.flight.entries))
	}
	err = fmt.Errorf("publish to %s/%d: %w", l.at.topic, l.at.partition, err)
	q.answer(l.flight, 0, fault.Wrap(err, fault.Internal, "kafka_refused", "Kafka refused a record"))
	l.settled()
}

// settled makes the lane as if nothing had ever failed.
func (l *lane) settled() { l.flight, l.backoff, l.notUntil, l.why = nil, 0, time.Time{}, nil }

// parcel is an encoded batch for a partition.
type parcel struct {
	at      place
	encoded []byte
}

// outcome is what the leader said to a parcel.
type outcome struct {
	base int64
	err  error
}

// produce sends parcels, all of one leader, in one request. Where err is nil there is an outcome for each.
func (b *Bus) produce(ctx context.Context, parcels []parcel) ([]outcome, error) {
	request := &rawproduce.Request{Acks: -1, Timeout: int32((requestTimeout - time.Second).Milliseconds())}
	for _, p := range parcels {
		b.address(request, p)
	}
	outcomes := make([]outcome, len(parcels))
	for i := range outcomes {
		outcomes[i].err = errNoAnswer
	}
	response, err := b.roundTrip(ctx, request)
	if err != nil {
		return outcomes, fmt.Errorf("produce: %w", err)
	}
	for _, t := range response.(*produce.Response).Topics {
		topic := b.short(t.Topic)
		for _, p := range t.Partitions {
			at := place{topic, int(p.Partition)}
			if i := slices.IndexFunc(parcels, func(p parcel) bool { return p.at == at }); i >= 0 {
				outcomes[i] = outcome{p.BaseOffset, coded(p.ErrorCode)}
			}
		}
	}
	return outcomes, nil
}

// address puts a parcel into a request, beside the others of its topic.
func (b *Bus) address(request *rawproduce.Request, p parcel) {
	partition := rawproduce.RequestPartition{Partition: int32(p.at.partition), RecordSet: raw(p.encoded)}
	for i := range request.Topics {
		if t := &request.Topics[i]; b.short(t.Topic) == p.at.topic {
			t.Partitions = append(t.Partitions, partition)
			return
		}
	}
	request.Topics = append(request.Topics, rawproduce.RequestTopic{
		Topic: b.name(p.at.topic), Partitions: []rawproduce.RequestPartition{partition},
	})
}
