package inbound

import (
	"context"

	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

// blacklist answers whether somebody is on it, as the gate does.
type blacklist interface {
	Ask(ctx context.Context, questions []gate.Question) []gate.Answer
}

// block finds the items of people whom their account has blocked: all are asked about at once, and only of accounts that have
// a blacklist. An item is a blocked person's if one of the identifiers that it shows is. Where nobody can know, the batch has
// to come again.
func (h *Handler) block(ctx context.Context, items []item) error {
	var questions []gate.Question
	var asked []*item
	for i := range items {
		it := &items[i]
		if h.Blacklist == nil || it.known == nil || !it.known.Account.Blocks || it.reason != "" && !it.salvaged {
			continue
		}
		for _, id := range it.in.Who {
			questions = append(questions, gate.Question{
				Account: it.channel.Account, Channel: it.channel.ID, Pseudonym: it.known.hash.Pseudonym(id), Lists: []string{gate.Blacklist},
			})
			asked = append(asked, it)
		}
	}
	if len(questions) == 0 {
		return nil
	}
	answers := h.Blacklist.Ask(ctx, questions)
	for i, it := range asked {
		if i >= len(answers) || answers[i].Verdict == gate.Unknown {
			return fault.New(fault.NotCertain, "not_certain", "Whether somebody is blocked can't be told with certainty just now.")
		}
		it.blocked = it.blocked || answers[i].Verdict == gate.Skip
	}
	return nil
}

// silence leaves of what a blocked person's words change the opt-outs, and of those no answer.
func (it *item) silence(change optout.Change, ok bool) (optout.Change, bool) {
	it.near, it.nearLists = "", nil
	if ok && change.Out {
		change.Confirm = nil
		return change, true
	}
	it.change, it.lists = "", nil
	return optout.Change{}, false
}
