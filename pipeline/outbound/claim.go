package outbound

import (
	"context"
	"fmt"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

const (
	appendAtOnce = 1000 // records of one batch
	cursorEvery  = time.Minute
)

// begin claims the partition and reads from its intents, up to the claim, what has happened to its messages. What an
// older owner was about to do and did not mark is Unknown: nobody calls it again.
func (r *run) begin(ctx context.Context) error {
	began := time.Now()
	if err := r.claim(ctx); err != nil {
		return err
	}
	first, _, err := r.Reader.Ends(ctx, r.Kind.Intents(), r.Partition)
	if err != nil {
		return fmt.Errorf("ends of the intents: %w", err)
	}
	intents := map[string]*item{}
	marks := 0
	err = r.Reader.Read(ctx, r.Kind.Intents(), r.Partition, first, r.next-1, func(rec stream.Record) error {
		m, err := parseMark(rec)
		if err != nil {
			return err
		}
		marks++
		id := string(rec.Key)
		key := keyOf(m.Account, id)
		switch m.Kind {
		case markClaim:
		case markCursor:
			r.read = m.Offset
		case markIntent:
			intents[key] = interrupted(m, id)
		case markAgain:
			delete(intents, key)
		case markDone:
			delete(intents, key)
			r.done.add(rec.Time, m.Account, m.Broadcast, id, m.Row)
		default:
			return fmt.Errorf("mark at %d of a kind that nobody writes", rec.Offset)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the intents: %w", err)
	}
	for key, it := range intents {
		r.open[key] = it
		r.close(it, chat.Fact{Status: chat.Unknown, Error: Interrupted}, nil)
	}
	first, end, err := r.Reader.Ends(ctx, r.Kind.Messages(), r.Partition)
	if err != nil {
		return fmt.Errorf("ends of the messages: %w", err)
	}
	if r.read < 0 {
		r.read = first
	}
	if r.read > end {
		return fmt.Errorf("messages from %d on are wanted, the last is at %d: %w", r.read, end-1, stream.ErrTruncated)
	}
	if r.read < first { // Kafka keeps messages for longer than they are valid: none of these could have been sent
		r.Log.Error().Str("lane", string(r.Kind)).Int("partition", r.Partition).Int64("from", r.read).Int64("to", first).Msg("messages gone before they were read")
		r.read = first
	}
	r.Log.Info().Str("lane", string(r.Kind)).Int("partition", r.Partition).Int64("claim", r.next-1).Int64("cursor", r.read).
		Int("marks", marks).Int("unknown", len(intents)).Dur("took", time.Since(began)).Msg("lane claimed")
	return nil
}

// interrupted is a message of which only an intent is known.
func interrupted(m mark, id string) *item {
	return &item{
		Outbound: chat.Outbound{ID: id, Account: m.Account, Broadcast: m.Broadcast, Row: m.Row, Channel: m.Channel, Pseudonym: m.Pseudonym},
		offset:   -1, key: keyOf(m.Account, id), attempt: m.Attempt, timer: -1, opens: m.Opens,
	}
}

// claim makes Kafka refuse all older owners of this partition, and appends the mark that says so. A later claim of the same
// owner finds out whether another one has written meanwhile.
func (r *run) claim(ctx context.Context) error {
	if r.Holds != nil {
		if err := r.Holds(ctx); err != nil {
			return fmt.Errorf("before a claim: %w", err)
		}
	}
	if err := r.Intents.Claim(ctx); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	r.claimed = time.Now().Round(0)
	marks := []*stream.Record{mark{Kind: markClaim}.record(string(markClaim))}
	if r.read >= 0 { // the cursor's last record would expire in a quiet lane
		marks = append(marks, mark{Kind: markCursor, Offset: r.place()}.record(string(markCursor)))
	}
	return r.appendNext(ctx, marks)
}

// append adds marks to the intents, all of them or, deposed, possibly none.
func (r *run) append(ctx context.Context, marks []*stream.Record) error {
	if len(marks) > 0 && shard.ClaimDue(r.claimed, r.Intents.Idle()) {
		if err := r.claim(ctx); err != nil {
			return err
		}
	}
	for len(marks) > 0 {
		n := min(len(marks), appendAtOnce)
		if err := r.appendNext(ctx, marks[:n]); err != nil {
			return err
		}
		marks = marks[n:]
	}
	return nil
}

// appendNext adds one batch, which must follow the last one.
func (r *run) appendNext(ctx context.Context, marks []*stream.Record) error {
	for _, m := range marks {
		m.Topic, m.Partition = r.Kind.Intents(), r.Partition
	}
	base, err := r.Intents.Append(ctx, r.Kind.Intents(), marks)
	if err != nil {
		return fmt.Errorf("append to the intents: %w", err)
	}
	if r.next >= 0 && base != r.next {
		return fmt.Errorf("intents continue at %d, not at %d: %w", base, r.next, stream.ErrDeposed)
	}
	r.next = base + int64(len(marks))
	return nil
}
