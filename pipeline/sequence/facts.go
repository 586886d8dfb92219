package sequence

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// listen takes a round of facts and tells each sequence those about it.
func (r *Runner) listen(ctx context.Context) error {
	round, err := r.follower.Next(ctx)
	if err != nil {
		return fmt.Errorf("read outcomes: %w", err)
	}
	if len(round.Records) == 0 {
		return nil
	}
	byRun := map[*run][]chat.Fact{}
	looked := false
	for _, record := range round.Records {
		var f chat.Fact
		if json.Unmarshal(record.Value, &f) != nil || !strings.HasPrefix(f.Broadcast, Prefix) || f.Status.Rank() == 0 {
			continue
		}
		if f.V > stream.Version {
			return fmt.Errorf("outcome of version %d: %w", f.V, stream.ErrVersion)
		}
		ref := Ref{f.Account, f.Broadcast}
		if r.runs[ref] == nil && !looked { // made after the last look
			looked = true
			if err := r.find(ctx); err != nil {
				return err
			}
		}
		if q := r.runs[ref]; q != nil {
			byRun[q] = append(byRun[q], f)
		}
	}
	next := round.Records[len(round.Records)-1].Offset + 1
	var commands []shard.Command
	for _, q := range r.runs {
		facts := byRun[q]
		if len(facts) == 0 && next-q.folded < foldedLag {
			continue
		}
		some, err := r.tellFacts(q, facts, next)
		if err != nil {
			return err
		}
		commands = append(commands, some...)
	}
	if err := r.publish(ctx, commands...); err != nil {
		return err // and begin anew from where the states say
	}
	for _, c := range commands {
		r.runs[Ref{c.Account, sequenceOf(c)}].folded = next
	}
	r.tail = next
	return nil
}

// sequenceOf gives the id of the sequence that a command of ours is about.
func sequenceOf(c shard.Command) string {
	id, _, _ := strings.Cut(c.ID, ".facts.")
	return id
}

// tellFacts makes the commands that tell a sequence facts about it; only the last says how far they go.
func (r *Runner) tellFacts(q *run, facts []chat.Fact, next int64) (commands []shard.Command, err error) {
	for n := 0; n == 0 || len(facts) > 0; n++ {
		some := facts[:min(len(facts), factsOnce)]
		facts = facts[len(some):]
		body := Facts{ID: q.ID, Facts: slices.Clone(some)}
		if len(facts) == 0 {
			body.Next = next
		}
		c, err := r.command(q, KindFacts, "facts."+strconv.FormatInt(next, 10)+"."+strconv.Itoa(n), body)
		if err != nil {
			return nil, err
		}
		commands = append(commands, c)
	}
	return commands, nil
}
