package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"optgate/pipeline/fault"
)

// deliver sends the flights of lanes, all of one leader, in one request and settles each by its answer. forgotten: a broker
// no longer knows our session.
func (b *Bus) deliver(lanes []*lane) (forgotten bool) {
	parcels := make([]parcel, len(lanes))
	for i, l := range lanes {
		parcels[i] = parcel{l.at, l.flight.encoded}
	}
	results, err := b.produce(b.ctx, parcels)
	if err != nil {
		b.refresh()
	}
	q := &b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.nudge()
	for i, l := range lanes {
		result := results[i]
		if err != nil {
			result.err = err
		}
		switch {
		case result.err == nil:
			l.land(q, result.base)
		case final(result.err):
			l.refuse(q, result.err)
		case deposes(result.err):
			forgotten = true
			l.reload()
			l.fail(result.err)
		default:
			b.refresh()
			l.fail(result.err)
		}
		l.sending = false
		if l.flight != nil || len(l.waiting) > 0 {
			q.ready[l] = true
		}
	}
	return forgotten
}

// land settles an acknowledged flight.
func (l *lane) land(q *queue, base int64) {
	q.answer(l.flight.items, base, nil)
	l.sequence = after(l.sequence, len(l.flight.items))
	l.flight, l.backoff, l.notUntil = nil, 0, time.Time{}
}

// refuse settles a flight that the broker will never take. Its sequence was not used up.
func (l *lane) refuse(q *queue, err error) {
	err = fmt.Errorf("publish to %s/%d: %w", l.at.topic, l.at.partition, err)
	q.answer(l.flight.items, 0, fault.Wrap(err, fault.Internal, "kafka_refused", "Kafka refused a record"))
	l.flight = nil
}

// reload takes a flight back, to be sent under another session. If the broker had stored it after all, its records will
// stand there twice: whoever reads them knows repeats by their ids.
func (l *lane) reload() {
	l.waiting = append(l.flight.items, l.waiting...)
	l.flight = nil
}

// fail puts off the next attempt.
func (l *lane) fail(err error) {
	l.backoff = min(max(2*l.backoff, firstBackoff), lastBackoff)
	l.notUntil = time.Now().Add(l.backoff)
	l.blame(err)
}

// blame notes why records wait, for those who give up.
func (l *lane) blame(err error) {
	items := l.waiting
	if l.flight != nil {
		items = l.flight.items
	}
	for _, it := range items {
		it.waiter.last = err
	}
}

// blame notes why everything waits.
func (q *queue) blame(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for l := range q.ready {
		l.blame(err)
	}
}

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
	topics, indexes := map[string]int{}, map[place]int{}
	for i, p := range parcels {
		name := b.name(p.at.topic)
		t, ok := topics[name]
		if !ok {
			t = len(request.Topics)
			topics[name] = t
			request.Topics = append(request.Topics, rawproduce.RequestTopic{Topic: name})
		}
		request.Topics[t].Partitions = append(request.Topics[t].Partitions,
			rawproduce.RequestPartition{Partition: int32(p.at.partition), RecordSet: raw(p.encoded)})
		indexes[p.at] = i
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
			if i, ok := indexes[place{topic, int(p.Partition)}]; ok {
				outcomes[i] = outcome{p.BaseOffset, coded(p.ErrorCode)}
			}
		}
	}
	return outcomes, nil
}
