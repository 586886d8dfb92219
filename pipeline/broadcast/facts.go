package broadcast

import (
	"context"
	"encoding/json"
	"fmt"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// fold takes a round of facts into the report and the memory.
func (r *Runner) fold(ctx context.Context, round stream.Round) error {
	if len(round.Records) == 0 {
		r.caught = r.caught || r.tail >= round.High
		return nil
	}
	from := r.tail
	facts, err := r.facts(ctx, round.Records)
	if err != nil {
		return err
	}
	if r.tail != from || r.follower == nil {
		return nil // following began anew, from before this round
	}
	next := round.Records[len(round.Records)-1].Offset + 1
	if err := r.Report.FoldRows(ctx, r.Shard, from, next, facts); err != nil {
		return fmt.Errorf("fold the report: %w", err)
	}
	for _, f := range facts {
		if b := r.runs[Ref{f.Account, f.Broadcast}]; b != nil {
			b.know(f.Row)
		}
	}
	r.tail = next
	r.caught = r.caught || r.tail >= round.High
	return nil
}

// facts gives the facts about broadcasts that are not forgotten. One that is met for the first time is looked for: the
// view that its first page was published from knew it.
func (r *Runner) facts(ctx context.Context, records []stream.Record) (facts []chat.Fact, err error) {
	looked := false
	for _, record := range records {
		var f chat.Fact
		if err := json.Unmarshal(record.Value, &f); err != nil {
			r.Logger.Warn().Int("shard", r.Shard).Int64("offset", record.Offset).Msg("outcome can't be read")
			continue
		}
		if f.V > stream.Version {
			return nil, fmt.Errorf("outcome of version %d: %w", f.V, stream.ErrVersion)
		}
		if f.Broadcast == "" {
			continue
		}
		ref := Ref{f.Account, f.Broadcast}
		if r.runs[ref] == nil && !looked {
			looked = true
			if err := r.look(ctx); err != nil {
				return nil, err
			}
		}
		b := r.runs[ref]
		if b != nil && f.Row >= 1 && f.Row <= b.Audience && f.ID == ref.MessageID(f.Row) && f.Status.Rank() > 0 {
			facts = append(facts, f)
		}
	}
	return facts, nil
}
