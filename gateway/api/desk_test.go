package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"optgate/gateway/api"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// desk is what broadcasts stand on, in memory: their owner folds each command as it is published.
type desk struct {
	*world
	mu       sync.Mutex
	states   map[string][]byte
	offset   int64
	asleep   bool // the owner decides nothing
	away     error
	unfolded error // what reading rows answers, if anything
	facts    map[int]chat.Fact
	messages []stream.Record
	outcomes []stream.Record // facts
	behind   int             // looks for single messages until all facts are folded
	verdict  gate.Answer
	cause    *gate.Cause // of skips
	asked    gate.Question
	judge    func(gate.Question) gate.Answer // nil: verdict
	left     int                             // people who may still be reached
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := emptyDesk()
	d.world = newWorld(t, func(o *api.Options) {
		o.Publisher, o.States, o.Answers, o.Topics, o.Audiences = d, d, d, d, d
		o.Broadcast = d.options()
	})
	return d
}

func emptyDesk() *desk {
	return &desk{states: map[string][]byte{}, facts: map[int]chat.Fact{}, verdict: gate.Answer{Verdict: gate.Go}}
}

func (d *desk) options() api.BroadcastOptions {
	return api.BroadcastOptions{Broadcasts: d, Rows: d, Singles: d, Gate: d, Explain: d.explain, DryRun: d.dryRun()}
}

func (d *desk) Publish(_ context.Context, records ...*stream.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away != nil {
		return d.away
	}
	for _, r := range records {
		r.Offset = d.offset
		d.offset++
		if r.Topic == stream.Outcomes {
			d.outcomes = append(d.outcomes, *r)
		} else if r.Topic != stream.Commands {
			d.messages = append(d.messages, *r)
		} else if err := d.fold(*r); err != nil {
			return err
		}
	}
	return nil
}

func (d *desk) fold(r stream.Record) error {
	if d.asleep {
		return nil
	}
	var c shard.Command
	if err := json.Unmarshal(r.Value, &c); err != nil {
		return err
	}
	rule, place := rules[c.Kind], shard.Place{Shards: shards, Shard: r.Partition, Offset: r.Offset}
	keys, err := rule.Keys(place, c)
	if err != nil {
		return err
	}
	loaded := map[string][]byte{}
	for _, k := range keys {
		loaded[k] = d.states[k]
	}
	turn := shard.NewTurn(place, loaded, nil)
	if err := rule.Apply(turn, c); err != nil {
		return err
	}
	changed, _, _ := turn.Said()
	maps.Copy(d.states, changed)
	return nil
}

func (d *desk) Answer(_ context.Context, _ int, offset int64, command string) (*shard.Answer, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	raw := d.states[shard.AnswerKey(command)]
	if d.asleep || offset >= d.offset {
		return nil, false, nil
	}
	if raw == nil {
		return nil, true, nil
	}
	answer := &shard.Answer{}
	return answer, true, json.Unmarshal(raw, answer)
}

func (d *desk) States(_ context.Context, _ int, keys ...string) (found [][]byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		found = append(found, d.states[k])
	}
	return found, d.away
}

func (d *desk) Broadcast(ctx context.Context, r broadcast.Ref) (*broadcast.Broadcast, error) {
	states, err := d.States(ctx, 0, r.Key())
	if err != nil || states[0] == nil {
		return nil, err
	}
	b := &broadcast.Broadcast{}
	return b, json.Unmarshal(states[0], b)
}

func (d *desk) Broadcasts(ctx context.Context, account, _ string, _ int) (all []broadcast.Broadcast, next string, err error) {
	for _, key := range slices.Sorted(maps.Keys(d.states)) {
		if name, ok := strings.CutPrefix(key, "broadcast/"+account+"/"); ok {
			b, err := d.Broadcast(ctx, broadcast.Ref{Account: account, ID: name})
			if err != nil {
				return nil, "", err
			}
			all = append(all, *b)
		}
	}
	return all, "", nil
}

func (d *desk) Rows(_ context.Context, _ broadcast.Broadcast, numbers []int) (rows []broadcast.Outcome, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range numbers {
		rows = append(rows, broadcast.Outcome{}.Fold(d.facts[n]))
	}
	return rows, cmp.Or(d.unfolded, d.away)
}

func (d *desk) FindRows(_ context.Context, b broadcast.Broadcast, f broadcast.Filter, from, most int) (numbers []int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := from; n <= b.Audience && len(numbers) < most; n++ {
		if o := (broadcast.Outcome{}).Fold(d.facts[n]); f.Fits(o.Shown(), o.Error, o.List) {
			numbers = append(numbers, n)
		}
	}
	return numbers, cmp.Or(d.unfolded, d.away)
}

func (d *desk) RowCounts(context.Context, broadcast.Broadcast) (counts []broadcast.Count, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.facts {
		counts = append(counts, broadcast.Count{Status: f.Status, Error: f.Error, List: f.List, N: 1})
	}
	return counts, cmp.Or(d.unfolded, d.away)
}

// Single folds what there is of a message, once d.behind looks are over.
func (d *desk) Single(_ context.Context, account, id string) (o broadcast.SingleOutcome, next int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unfolded != nil {
		return o, 0, d.unfolded
	}
	if d.behind > 0 {
		d.behind--
		return o, 41, nil
	}
	for _, r := range d.outcomes {
		var f chat.Fact
		if err := json.Unmarshal(r.Value, &f); err != nil {
			return o, 0, err
		}
		if f.Account == account && f.ID == id {
			o = o.Fold(f)
		}
	}
	return o, 42, nil
}

func (d *desk) Ask(_ context.Context, questions []gate.Question) (answers []gate.Answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = questions[0]
	for _, q := range questions {
		if d.judge != nil {
			answers = append(answers, d.judge(q))
		} else {
			answers = append(answers, d.verdict)
		}
	}
	return answers
}

func (d *desk) explain(_ context.Context, _ []gate.Question, answers []gate.Answer) {
	for i := range answers {
		answers[i].Cause = d.cause
	}
}

func (d *desk) Ends(context.Context, stream.Topic, int) (first, end int64, err error) {
	return 0, 42, d.away
}
