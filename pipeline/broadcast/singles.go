package broadcast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// outcomes keeps what became of messages by themselves, folded from a shard's partition of outcomes. It may be lost at any time.
type outcomes interface {
	// SinglesAt gives the offset up to which they are folded; known is false where that was lost.
	SinglesAt(ctx context.Context, shard int) (next int64, known bool, err error)
	// BeginSingles folds them anew from an offset on. They are not certain until they are folded up to until.
	BeginSingles(ctx context.Context, shard int, from, until int64) error
	// FoldSingles folds the facts at offsets [from, next). ErrLost, and no change, where they are not folded up to exactly from.
	FoldSingles(ctx context.Context, shard int, from, next int64, facts []chat.Fact) error
}

// Singles folds what becomes of the messages by themselves of one shard, in the process that owns it. Two at once do no harm:
// one of them is told that it lost, and looks anew where the other stands.
type Singles struct {
	Shard    int
	Outcomes outcomes
	Reader   interface { // of the bus
		Ends(ctx context.Context, topic stream.Topic, partition int) (first, end int64, err error)
		Since(ctx context.Context, topic stream.Topic, partition int, t time.Time) (offset int64, err error)
	}
	Follow func(from int64) shard.Follower // the shard's partition of outcomes
	Now    func() time.Time                // nil: time.Now
	Logger zerolog.Logger
}

// checkEvery is how often it is looked whether what is folded is still there while nothing comes.
const checkEvery = time.Second

// Run folds until ctx ends. Whatever goes wrong is tried again from where the fold stands.
func (s *Singles) Run(ctx context.Context) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	for ctx.Err() == nil {
		err := s.session(ctx)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, ErrLost):
			s.Logger.Info().Int("shard", s.Shard).Msg("outcomes of single messages are looked for anew")
		default:
			if fault.KindOf(err) != fault.NotCertain {
				s.Logger.Warn().Int("shard", s.Shard).Err(err).Msg("outcomes of single messages interrupted")
			}
			shard.Sleep(ctx, retryAfter)
		}
	}
	return nil
}

// session folds until something goes wrong.
func (s *Singles) session(ctx context.Context) error {
	next, err := s.begin(ctx)
	if err != nil {
		return err
	}
	follower := s.Follow(next)
	defer follower.Close()
	checked := s.Now()
	for {
		round, err := follower.Next(ctx)
		if err != nil {
			return fmt.Errorf("read outcomes: %w", err)
		}
		if len(round.Records) > 0 {
			facts, err := s.facts(round.Records)
			if err != nil {
				return err
			}
			to := round.Records[len(round.Records)-1].Offset + 1
			if err := s.Outcomes.FoldSingles(ctx, s.Shard, next, to, facts); err != nil {
				return fmt.Errorf("fold single messages: %w", err)
			}
			next, checked = to, s.Now()
		}
		if s.Now().Sub(checked) >= checkEvery {
			at, known, err := s.Outcomes.SinglesAt(ctx, s.Shard)
			if err != nil {
				return fmt.Errorf("look for single messages: %w", err)
			}
			if !known || at != next {
				return ErrLost
			}
			checked = s.Now()
		}
	}
}

// begin gives the offset to go on from: where the fold stands, or that of a week ago where it was lost, or where the log no
// longer holds it.
func (s *Singles) begin(ctx context.Context) (int64, error) {
	next, known, err := s.Outcomes.SinglesAt(ctx, s.Shard)
	if err != nil {
		return 0, fmt.Errorf("look for single messages: %w", err)
	}
	first, end, err := s.Reader.Ends(ctx, stream.Outcomes, s.Shard)
	if err != nil {
		return 0, fmt.Errorf("end of outcomes: %w", err)
	}
	if known && next >= first && next <= end {
		return next, nil
	}
	from, err := s.Reader.Since(ctx, stream.Outcomes, s.Shard, s.Now().Add(-SinglesKept))
	if err != nil {
		return 0, fmt.Errorf("outcomes of a week: %w", err)
	}
	if err := s.Outcomes.BeginSingles(ctx, s.Shard, from, max(from, end)); err != nil {
		return 0, fmt.Errorf("begin with single messages: %w", err)
	}
	return from, nil
}

// facts gives those that are about messages by themselves. Facts of broadcasts, by far the most, are told by their keys.
func (s *Singles) facts(records []stream.Record) (facts []chat.Fact, err error) {
	for _, record := range records {
		if len(record.Key) > 0 {
			continue
		}
		var f chat.Fact
		if err := json.Unmarshal(record.Value, &f); err != nil {
			s.Logger.Warn().Int("shard", s.Shard).Int64("offset", record.Offset).Msg("outcome can't be read")
			continue
		}
		if f.V > stream.Version {
			return nil, fmt.Errorf("outcome of version %d: %w", f.V, stream.ErrVersion)
		}
		if f.Broadcast == "" && f.Account != "" && strings.HasPrefix(f.ID, singlePrefix) {
			facts = append(facts, f)
		}
	}
	return facts, nil
}
