package broadcast

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// handOver asks the gate about rows and hands each to its lane, or says at once what became of it. A row that the gate is
// not certain of stays queued. After an error all are tried again: lanes drop what had got through.
func (r *Runner) handOver(ctx context.Context, b *run, rows []Row) error {
	slices.SortStableFunc(rows, func(x, y Row) int { return r.Shards.Of(x.Pseudonym) - r.Shards.Of(y.Pseudonym) })
	answers := r.askGate(ctx, b, rows)
	var records []*stream.Record
	var uncertain []Row
	lanes := map[int]bool{} // row → handed to a lane
	for i, row := range rows {
		record, err := r.record(b, row, answers[i])
		if err != nil {
			return err
		}
		if record == nil {
			uncertain = append(uncertain, row)
			continue
		}
		records = append(records, record)
		lanes[row.N] = record.Topic != stream.Outcomes
	}
	if len(records) > 0 {
		if err := r.Publisher.Publish(ctx, records...); err != nil {
			return fmt.Errorf("publish a page: %w", err)
		}
	}
	if len(uncertain) > 0 {
		b.again, b.againAt = append(b.again, uncertain...), r.Now().Add(askAgain)
	}
	for n, lane := range lanes {
		b.hand(n, lane)
	}
	return nil
}

// askGate asks about the rows that can be sent at all.
func (r *Runner) askGate(ctx context.Context, b *run, rows []Row) []gate.Answer {
	lists := gate.Lists(chat.KindBroadcast, b.Category, b.Lists)
	var questions []gate.Question
	for _, row := range rows {
		if row.Error == "" {
			questions = append(questions, gate.Question{Account: b.Account, Channel: b.Channel, Pseudonym: row.Pseudonym, Lists: lists})
		}
	}
	var said []gate.Answer
	if len(questions) > 0 {
		said = r.Gate.Ask(ctx, questions)
		if r.Explain != nil {
			r.Explain(ctx, questions, said)
		}
	}
	answers := make([]gate.Answer, len(rows))
	for i, row := range rows {
		if row.Error == "" && len(said) > 0 {
			answers[i], said = said[0], said[1:]
			b.verdicts[answers[i].Verdict]++
			r.Metrics.Gate(answers[i].Verdict.String())
		}
	}
	return answers
}

// record gives what a row becomes: a message or a fact; nil where the gate is not certain, or a medium is not there yet.
func (r *Runner) record(b *run, row Row, answer gate.Answer) (*stream.Record, error) {
	switch {
	case row.Error != "":
		return r.fact(b, row.N, chat.Fact{Status: chat.Failed, Error: row.Error})
	case answer.Verdict == gate.Skip:
		return r.fact(b, row.N, chat.Fact{
			Status: chat.Skipped, Error: answer.Error(), List: answer.List, Reason: optout.Reason(answer),
		})
	case answer.Verdict != gate.Go:
		return nil, nil
	}
	message, wrong, ready, err := r.message(b, row)
	switch {
	case err != nil:
		return nil, err
	case wrong != "":
		return r.fact(b, row.N, chat.Fact{Status: chat.Failed, Error: wrong})
	case !ready:
		return nil, nil
	}
	given := row.Dial
	if given == "" {
		given = row.To.Shown()
	}
	m := chat.Outbound{
		V: stream.Version, ID: b.Ref().MessageID(row.N), Account: b.Account, Channel: b.Channel,
		To: row.To, Given: given, Pseudonym: row.Pseudonym, Kind: chat.KindBroadcast, Category: b.Category, Lists: b.Lists,
		Message: message, Until: b.EndsAt, Broadcast: b.ID, Row: row.N, Quiet: b.Quiet,
	}
	value, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("message of broadcast %s: %w", b.ID, err)
	}
	return &stream.Record{Topic: b.topic(), Partition: m.Lane(r.Shards), Key: []byte(m.Key()), Value: value}, nil
}

// topic gives the lanes that a broadcast goes by. Marketing never goes by that of replies, which waits for no STOP.
func (b *run) topic() stream.Topic {
	if b.Priority && b.Category != chat.Marketing {
		return stream.OutboundReplies
	}
	return stream.OutboundBulk
}

// message writes a row's message: its own, or the broadcast's with its parameters, which were looked at before only where they came
// with the request. wrong is the row's error; ready is false where a medium that it shows is not there yet.
func (r *Runner) message(b *run, row Row) (message json.RawMessage, wrong string, ready bool, err error) {
	filled := row.Message
	switch {
	case filled != nil:
	case b.Source.Upload == "" && b.Source.Segment == nil:
		filled, err = b.Message.Fill(row.Params)
	default:
		filled, wrong, err = b.Message.For(row.Params)
	}
	if err != nil || wrong != "" {
		return nil, wrong, true, err
	}
	return r.resolve(b, filled)
}

// fact gives the record of a fact of ours about a row.
func (r *Runner) fact(b *run, row int, f chat.Fact) (*stream.Record, error) {
	f.V, f.ID, f.Account, f.Broadcast, f.Row, f.At = stream.Version, b.Ref().MessageID(row), b.Account, b.ID, row, r.Now().UnixMilli()
	value, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("fact of broadcast %s: %w", b.ID, err)
	}
	return &stream.Record{Topic: stream.Outcomes, Partition: r.Shard, Key: []byte(b.ID), Value: value, Headers: f.Headers()}, nil
}

// giveUp says of rows that were never handed over that they never will be. What a lane holds, the lane tells of; should a
// row be in a lane that this runner doesn't know of, what the lane says ranks higher.
func (r *Runner) giveUp(ctx context.Context, b *run, status chat.Status) (more bool, err error) {
	b.again = nil
	if b.answered+b.opened >= b.Audience {
		return false, nil
	}
	var records []*stream.Record
	var rows []int
	n := b.gaveUp
	for n < b.Audience && len(rows) < askAtOnce {
		if n++; !b.fits(n) {
			continue
		}
		record, err := r.fact(b, n, chat.Fact{Status: status})
		if err != nil {
			return false, err
		}
		rows, records = append(rows, n), append(records, record)
	}
	if len(records) == 0 {
		return false, nil
	}
	if err := r.Publisher.Publish(ctx, records...); err != nil {
		return false, fmt.Errorf("give up rows: %w", err)
	}
	for _, row := range rows {
		b.hand(row, false)
	}
	b.gaveUp = n
	return n < b.Audience, nil
}
