package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// Views.

// numbers are those of the accounts' channels, by account; old was closed.
var numbers = map[string]map[string]int{"acme": {"wa": 101, "old": 102}, "globex": {"wb": 101}}

// key is the pseudonym key of every account here.
func key(account string) chat.Key { return chat.Key("key of " + account) }

// found lays an account into its shard, as if it had been declared.
func (w *world) found(id string, own ...optout.List) {
	a := optout.Account{V: 1, ID: id, Key: key(id), Numbers: numbers[id], Lists: append(optout.SystemLists(), own...)}
	state, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	w.states[shards.Account(id)][optout.AccountKey(id)] = state
}

func (w *world) Account(_ context.Context, id string) (a optout.Account, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := w.states[shards.Account(id)][optout.AccountKey(id)]
	if state == nil {
		return a, fault.New(fault.NotFound, "unknown_account", "There is no account %q.", id)
	}
	if err := json.Unmarshal(state, &a); err != nil {
		return a, err
	}
	return a, w.failed
}

// CountMembers counts the people of a list, and those on no other.
func (w *world) CountMembers(_ context.Context, account optout.Account, list string) (entries, alone int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, states := range w.states {
		for k, raw := range states {
			var p optout.Person
			if !strings.HasPrefix(k, "person/"+account.ID+"/") || json.Unmarshal(raw, &p) != nil {
				continue
			}
			on, elsewhere := false, false
			for _, e := range p.Entries {
				on, elsewhere = on || e.Barred() && e.List == list, elsewhere || e.Barred() && e.List != list
			}
			if on {
				entries++
			}
			if on && !elsewhere {
				alone++
			}
		}
	}
	return entries, alone, w.failed
}

func (w *world) States(_ context.Context, at int, keys ...string) ([][]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return nil, w.failed
	}
	if err := w.caughtUp(); err != nil {
		return nil, err
	}
	found := make([][]byte, len(keys))
	for i, k := range keys {
		found[i] = w.states[at][k]
	}
	return found, nil
}

func (w *world) Answer(_ context.Context, at int, offset int64, command string) (*shard.Answer, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	raw := w.states[at][shard.AnswerKey(command)]
	if w.held || raw == nil {
		return nil, !w.held && offset < int64(len(w.logs[stream.Commands][at])), nil
	}
	answer := &shard.Answer{}
	return answer, true, json.Unmarshal(raw, answer)
}

func (w *world) Entries(_ context.Context, account, list string, search optout.Search, after string, limit int) ([]optout.Listed, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []optout.Listed
	for _, states := range w.states {
		for k, raw := range states {
			var p optout.Person
			name, ok := strings.CutPrefix(k, "person/"+account+"/")
			if !ok || json.Unmarshal(raw, &p) != nil || p.ID == "" {
				continue
			}
			for _, e := range p.Entries {
				if e.List == list && e.Barred() && search.Finds(p.ID, e.Channel) {
					all = append(all, optout.Listed{
						ID: name + "." + e.Channel, Who: p.ID, Channel: e.Channel, Source: e.Source, Since: time.UnixMilli(e.Out),
					})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b optout.Listed) int { return strings.Compare(string(a.Who), string(b.Who)) })
	from := 0
	if after != "" {
		from, _ = strconv.Atoi(after) //nolint:errcheck // a cursor of our own
	}
	all = all[min(max(from, 0), len(all)):]
	if len(all) > limit {
		return all[:limit], strconv.Itoa(from + limit), nil
	}
	return all, "", nil
}

// Ask answers as the gate does, from the states.
func (w *world) Ask(ctx context.Context, questions []gate.Question) []gate.Answer {
	answers := make([]gate.Answer, len(questions))
	for i, q := range questions {
		states, err := w.States(ctx, shards.Of(q.Pseudonym), optout.PersonKey(q.Account, q.Pseudonym))
		var p optout.Person
		if err != nil || states[0] != nil && json.Unmarshal(states[0], &p) != nil {
			continue
		}
		answers[i].Verdict = gate.Go
		if e, barred := optout.Bars(p.Checked(q.Lists, q.Channel)); barred {
			answers[i] = gate.Answer{Verdict: gate.Skip, List: e.List, Channel: e.Channel}
		}
	}
	return answers
}

// Take lets 600 calls in.
func (w *world) Take(_ context.Context, key string, limit int, period time.Duration) (ratelimit.Decision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := ratelimit.Decision{Rule: ratelimit.Rule{Limit: limit, Period: period}}
	if w.left != nil {
		return d, w.left
	}
	w.calls++
	d.Allowed, d.Remaining, d.Reset = w.calls <= limit, max(0, limit-w.calls), 30*time.Second
	if key == "" {
		return d, errors.New("a window without a name")
	}
	return d, nil
}
