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
	facts, notices, err := r.facts(ctx, round.Records)
	if err != nil {
		return err
	}
	if r.tail != from || r.following == nil {
		return nil // following began anew, from before this round
	}
	next := round.Records[len(round.Records)-1].Offset + 1
	if err := r.Report.FoldRows(ctx, r.Shard, from, next, facts); err != nil {
		return fmt.Errorf("fold the report: %w", err)
	}
	for _, f := range facts {
		if b := r.runs[Ref{f.Account, f.Broadcast}]; b != nil {
			first := !b.known.has(f.Row)
			b.know(f.Row)
			b.judge(f, first)
		}
	}
	for _, f := range notices {
		if b := r.runs[Ref{f.Account, f.Broadcast}]; b != nil {
			b.judge(f, false)
		}
	}
	r.tail = next
	r.caught = r.caught || r.tail >= round.High
	return nil
}

// facts gives the facts about broadcasts that are not forgotten, and the notices of lanes, which no report shows. A broadcast that
// is met for the first time is looked for, and so is one that has more rows than was known: the view that its first page was
// published from knew it.
func (r *Runner) facts(ctx context.Context, records []stream.Record) (facts, notices []chat.Fact, err error) {
	looked := false
	for _, record := range records {
		var f chat.Fact
		if err := json.Unmarshal(record.Value, &f); err != nil {
			r.Logger.Warn().Int("shard", r.Shard).Int64("offset", record.Offset).Msg("outcome can't be read")
			continue
		}
		if f.V > stream.Version {
			return nil, nil, fmt.Errorf("outcome of version %d: %w", f.V, stream.ErrVersion)
		}
		if f.Broadcast == "" {
			continue
		}
		ref := Ref{f.Account, f.Broadcast}
		if known := r.runs[ref]; !looked && (known == nil || known.unfrozen()) {
			looked = true
			if err := r.look(ctx); err != nil {
				return nil, nil, err
			}
		}
		b := r.runs[ref]
		switch {
		case b == nil || b.Archived != nil || f.Row < 1 || f.Row > b.Audience || f.ID != ref.MessageID(f.Row):
		case f.Status.Rank() > 0:
			facts = append(facts, f)
		case f.Status == chat.Queued:
			notices = append(notices, f)
		}
	}
	return facts, notices, nil
}
