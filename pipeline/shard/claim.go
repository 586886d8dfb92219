package shard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"optgate/pipeline/stream"
)

const claimKey = "claim"

const (
	claimEvery = 6 * time.Hour // brokers forget a producer that was quiet for 24 h, and would then accept an old one
	maxIdle    = time.Hour     // wall-clock time after which nothing is appended without a new claim
)

// ClaimDue says that an owner must claim again before it appends anything: brokers forget quiet producers, and with them
// who was deposed. claimed and idle count wall-clock time, which goes on while a machine sleeps.
func ClaimDue(claimed time.Time, idle time.Duration) bool {
	return time.Now().Round(0).Sub(claimed) > claimEvery || idle > maxIdle
}

// claim makes this the owner: it fences the older ones (if hard), appends a claim record whose offset in state is the new
// generation, and brings the view up to it. After a mere loss of the view the producer stays, but the generation is new all
// the same: readers could not tell the time before the loss from the time after it otherwise.
func (o *Owner) claim(ctx context.Context, hard bool) error {
	began := time.Now()
	seen, err := o.View.Position(ctx)
	if err != nil {
		return err // no claim records for as long as there is no view to lead
	}
	if err := o.sound(ctx, seen); err != nil {
		return err
	}
	if hard {
		if err := o.Log.Claim(ctx); err != nil {
			return err
		}
		o.claimed = time.Now().Round(0)
	}
	generation, err := o.mark(ctx, stream.State)
	if err != nil {
		return err
	}
	if seen, err = o.View.Position(ctx); err != nil {
		return err
	}
	if after := max(seen.Next, seen.Generation); after > generation {
		return fmt.Errorf("view stands at %d, after the claim at %d: %w", after, generation, stream.ErrDeposed)
	}
	states, err := o.catchUp(ctx, seen, generation)
	if err != nil {
		return err
	}
	if err := o.restore(ctx); err != nil {
		return err
	}
	o.follower = o.Follow(o.cursor.Command)
	o.Metrics.Claimed(hard)
	o.Logger.Info().Int("shard", o.Shard).Int64("generation", generation).Bool("fenced", hard).
		Int("states", states).Int64("ledger", o.ledger.end).Str("chain", o.ledger.chain.String()).Dur("took", time.Since(began)).Msg("shard claimed")
	return nil
}

// mark appends a claim record and gives its offset: whatever an older owner wrote stands before it.
func (o *Owner) mark(ctx context.Context, topic stream.Topic) (int64, error) {
	return o.Log.Append(ctx, topic, []*stream.Record{{
		Topic: topic, Partition: o.Shard, Key: []byte(claimKey), Value: []byte(`{"v":1}`),
		Headers: []stream.Header{{Key: "v", Value: "1"}},
	}})
}

// sound refuses logs that end before what the view was made from. It looks before anything is appended: the claims of owners
// that try again and again would fill the gap.
func (o *Owner) sound(ctx context.Context, seen Position) error {
	_, end, err := o.Reader.Ends(ctx, stream.State, o.Shard)
	if err != nil {
		return err
	}
	if after := max(seen.Next, seen.Generation+1); seen.Token != "" && after > end {
		return fmt.Errorf("view stands at %d, state ends at %d: %w", after, end, ErrLost)
	}
	if !seen.Whole {
		return nil
	}
	cursor, err := o.cursorAt(ctx, seen)
	if errors.Is(err, ErrMoved) {
		return nil // another owner is at work
	}
	if err != nil {
		return err
	}
	return o.logsHold(ctx, cursor)
}

// logsHold refuses a ledger and commands that end before where the cursor has come. New commands would stand where nobody
// reads them.
func (o *Owner) logsHold(ctx context.Context, cursor Cursor) error {
	for topic, needed := range map[stream.Topic]int64{stream.Consent: cursor.Ledger, stream.Commands: cursor.Command} {
		_, end, err := o.Reader.Ends(ctx, topic, o.Shard)
		if err != nil {
			return err
		}
		if needed > end {
			return fmt.Errorf("the cursor has come to %d in %s, which ends at %d: %w", needed, topic, end, ErrLost)
		}
	}
	return nil
}

// cursorAt reads the cursor from the view.
func (o *Owner) cursorAt(ctx context.Context, at Position) (cursor Cursor, err error) {
	loaded, err := o.View.Load(ctx, at, []string{CursorKey})
	if err != nil || loaded[0] == nil {
		return cursor, err
	}
	if err := json.Unmarshal(loaded[0], &cursor); err != nil {
		return cursor, fmt.Errorf("cursor of shard %d: %w", o.Shard, err)
	}
	if cursor.V > stream.Version {
		return cursor, fmt.Errorf("cursor of shard %d has version %d: %w", o.Shard, cursor.V, stream.ErrVersion)
	}
	return cursor, nil
}
