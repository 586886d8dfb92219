package outbound

import (
	"errors"
	"strconv"
	"time"

	"optgate/pipeline/stream"
)

// admit takes a round of messages in: each once, whatever was published twice.
func (r *run) admit(round stream.Round) error {
	now := time.Now()
	for _, rec := range round.Records {
		if rec.Offset < r.read {
			continue
		}
		r.read = rec.Offset + 1
		it, err := decode(rec)
		switch {
		case errors.Is(err, stream.ErrVersion):
			return err
		case err != nil:
			r.bury(rec)
			continue
		case r.open[it.key] != nil || r.done.has(it.Account, it.Broadcast, it.ID, it.Row):
			r.Metrics.Send(string(r.Kind), "repeat")
			continue
		}
		r.open[it.key] = it
		r.order = append(r.order, it)
		channel, declared := r.Directory.Channel(it.Account, it.Channel)
		if !declared {
			r.timers.set(it, it.until)
			continue
		}
		number := channel.Account + "/" + channel.ID
		if it.queue = r.queues[number]; it.queue == nil {
			it.queue = newQueue(channel)
			r.queues[number] = it.queue
			r.ring = append(r.ring, it.queue)
		}
		if start := time.UnixMilli(it.NotBefore); start.After(now) {
			r.delay(it, start)
		} else {
			r.makeReady(it, false)
		}
	}
	return nil
}

// noMessage is the reason of dead letters out of the outbound topics.
const noMessage = "no_message"

// bury keeps what can't be understood, raw and with its reason. The cursor waits until that is done.
func (r *run) bury(rec stream.Record) {
	it := &item{offset: rec.Offset, timer: -1, state: closed}
	r.order = append(r.order, it)
	source := string(r.Kind.Messages())
	r.reports = append(r.reports, report{it, &stream.Record{
		Topic: stream.Dead, Partition: stream.AnyPartition, Key: []byte(source), Value: rec.Value,
		Headers: []stream.Header{
			{Key: "v", Value: "1"}, {Key: "source", Value: source}, {Key: "reason", Value: noMessage},
			{Key: "received_at", Value: strconv.FormatInt(rec.Time.UnixMilli(), 10)},
		},
	}})
	r.Metrics.Dead(noMessage)
	r.Log.Error().Str("lane", string(r.Kind)).Int("partition", r.Partition).Int64("offset", rec.Offset).Msg("record is no message to send")
}

// makeReady puts a message into its channel's queue, and into the front of it where its turn had come before.
func (r *run) makeReady(it *item, front bool) {
	it.state = ready
	it.queue.push(it, front)
	r.timers.set(it, it.until)
}

// delay lets a message wait for a time.
func (r *run) delay(it *item, at time.Time) {
	it.state = waiting
	r.timers.set(it, at)
}

// fire does what the timers say: messages whose time has come are ready, those whose validity is over have expired.
func (r *run) fire(now time.Time) {
	for len(r.timers) > 0 && !now.Before(r.timers[0].at) {
		it := r.timers[0]
		if now.Before(it.until) {
			r.makeReady(it, false)
		} else {
			r.expire(it)
		}
	}
}
