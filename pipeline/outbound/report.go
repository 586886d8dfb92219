package outbound

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

const publishAtOnce = 1000

// report is a record to be published, and the message that is done then, if it is the last one about it.
type report struct {
	item   *item
	record *stream.Record
}

// close gives a message its fact: nothing else happens to it. It is done once the fact is kept and marked.
func (r *run) close(it *item, fact chat.Fact, res *result) {
	now := time.Now()
	if it.flow != nil {
		it.queue.remove(it)
	}
	r.timers.stop(it)
	it.state = closed
	fact = about(it, fact, now)
	r.reports = append(r.reports, report{it, r.record(fact)})
	label := strings.ToLower(string(fact.Status))
	r.Metrics.Send(string(r.Kind), label)
	line := r.Log.Info().Str("lane", string(r.Kind)).Int("partition", r.Partition).Int64("offset", it.offset).Str("id", it.ID).
		Str("account", it.Account).Str("channel", it.Channel).Str("broadcast", it.Broadcast).Int("row", it.Row).
		Int("attempts", it.attempt).Str("result", label)
	if fact.Error != "" {
		line = line.Str("reason", fact.Error)
	}
	if fact.List != "" {
		line = line.Str("list", fact.List)
	}
	if res != nil {
		line = line.Dur("took", res.took).AnErr("cause", res.err)
	}
	line.Msg("message settled")
}

// about says of which message a fact is, and since when.
func about(it *item, fact chat.Fact, now time.Time) chat.Fact {
	fact.V, fact.ID, fact.Account, fact.Broadcast, fact.Row, fact.At = stream.Version, it.ID, it.Account, it.Broadcast, it.Row, now.UnixMilli()
	fact.Channel, fact.Pseudonym, fact.Opens = it.Channel, it.Pseudonym, it.opens
	return fact
}

func (r *run) record(fact chat.Fact) *stream.Record {
	value, _ := json.Marshal(fact) //nolint:errchkjson // strings and numbers can always be written
	return &stream.Record{
		Topic: stream.Outcomes, Partition: r.Shards.Outcomes(fact.Account, fact.Broadcast, fact.ID), Key: []byte(fact.Broadcast), Value: value,
		Headers: fact.Headers(),
	}
}

// notify tells the broadcasts that have messages in a queue that their channel can't send, and why: facts of messages that are
// still queued, which change no report. Whoever runs the broadcast pauses it.
func (r *run) notify(q *queue, it *item, refusal *Refusal, now time.Time) {
	told := map[string]bool{"": true}
	tell := func(one *item) {
		if told[one.Broadcast] {
			return
		}
		told[one.Broadcast] = true
		fact := about(one, chat.Fact{Status: chat.Queued, Code: refusal.Code, Error: refusal.Error()}, now)
		r.reports = append(r.reports, report{record: r.record(fact)})
	}
	tell(it)
	for _, f := range q.ring {
		tell(f.items.Front().Value.(*item))
	}
}

// publish keeps what became of messages. What Kafka doesn't take now is tried again; until then the messages stay open.
func (r *run) publish(ctx context.Context) {
	now := time.Now()
	if now.Before(r.mute) {
		return
	}
	for len(r.reports) > 0 {
		n := min(len(r.reports), publishAtOnce)
		records := make([]*stream.Record, n)
		for i, rep := range r.reports[:n] {
			records[i] = rep.record
		}
		if err := r.Publisher.Publish(ctx, records...); err != nil {
			r.mute = now.Add(r.deaf.Next())
			r.Log.Warn().Str("lane", string(r.Kind)).Int("partition", r.Partition).Int("facts", len(r.reports)).Err(err).Msg("facts not kept yet")
			return
		}
		for _, rep := range r.reports[:n] {
			if rep.item != nil {
				r.told = append(r.told, rep.item)
			}
		}
		r.reports = r.reports[n:]
		r.deaf.Reset()
	}
	r.reports = nil
}
