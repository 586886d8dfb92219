package inbound

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// stoppedMarketing is Meta's error code for a person who stopped marketing messages inside WhatsApp.
const stoppedMarketing = 131050

// marketingCategory is the only category that Meta's switch has.
const marketingCategory = "marketing_messages"

// confirmWithin is how old a person's words may be to be answered.
const confirmWithin = 24 * time.Hour

// consent gives the commands that an item causes: a change of consent by the person's words or by Meta's switch, and the
// tie of all identifiers that the item shows together.
func (h *Handler) consent(it *item, k knowledge) ([]*stream.Record, error) {
	key, in := k.account.Key, it.in
	who := refs(key, slices.Concat(in.Who, in.Before))
	if len(who) == 0 {
		return nil, nil
	}
	made := h.Now().UnixMilli()
	if change, ok := h.change(it, k, made); ok {
		change.Linked = len(who) > 1
		it.linked = change.Linked
		return change.Records(h.Shards, commandID(key, it, "change"), it.channel.Account, made)
	}
	if len(who) == 1 || it.salvaged {
		return nil, nil
	}
	it.linked = true
	tie := tieOf(it.channel.Account, who)
	if h.ties.has(tie, h.Now()) {
		return nil, nil
	}
	it.tie = tie
	return optout.Tie{Who: who, At: it.at.UnixMilli(), By: optout.SourceWebhook}.
		Records(h.Shards, commandID(key, it, "link"), it.channel.Account, made)
}

// change says whether the item opts somebody out or in.
func (h *Handler) change(it *item, k knowledge, made int64) (optout.Change, bool) {
	in := it.in
	change := optout.Change{Who: refs(k.account.Key, in.Who)}
	switch {
	case len(in.Who) == 0:
		return change, false
	case in.Kind == chat.KindPreference && in.Preference != nil:
		if category := in.Preference.Category; category != "" && category != marketingCategory {
			return change, false
		}
		change.Out = in.Preference.Stop
		h.mark(it, k, &change, gate.MetaList, "user_preferences")
	case in.Kind == chat.KindReceipt && in.Receipt != nil && in.Receipt.Code == stoppedMarketing:
		change.Out = true
		h.mark(it, k, &change, gate.MetaList, strconv.Itoa(stoppedMarketing))
	case in.Kind == chat.KindMessage:
		heard, out := k.account.Hear(it.channel.ID, it.words, k.keywords)
		if len(heard) == 0 || it.salvaged && !out {
			return change, false
		}
		change.Out = out
		source := optout.SourceMessage
		if it.salvaged {
			source = optout.SourceSalvage
		}
		for _, list := range heard {
			change.Marks = append(change.Marks, optout.Mark{
				List: list.List.ID, Channel: list.List.Covers(it.channel.ID), At: it.at.UnixMilli(),
				Source: source, Rule: list.Word, Message: messageHash(k.account.Key, in),
			})
		}
		change.Confirm = confirmation(it, heard, out, made)
	}
	it.tell(change)
	return change, len(change.Marks) > 0
}

// mark adds what Meta told of a person to a list.
func (h *Handler) mark(it *item, k knowledge, change *optout.Change, list, rule string) {
	covers := it.channel.ID
	if l, ok := k.account.List(list); ok {
		covers = l.Covers(covers)
	}
	change.Marks = append(change.Marks, optout.Mark{
		List: list, Channel: covers, At: it.at.UnixMilli(),
		Source: optout.SourceMeta, Rule: rule, Message: messageHash(k.account.Key, it.in),
	})
}

// tell notes for log and event what is done.
func (it *item) tell(change optout.Change) {
	for _, m := range change.Marks {
		it.lists = append(it.lists, m.List)
		it.change = optout.StandingIn
		if change.Out {
			it.change = optout.StandingOut
		}
	}
}

// confirmation gives what the person is answered if something changes; nil where nothing may be sent: the words are too
// old, the channel can't send yet, or no list has a text.
func confirmation(it *item, heard []optout.Heard, out bool, made int64) *optout.Confirm {
	if it.channel.Kind != chat.WhatsApp || made-it.at.UnixMilli() > confirmWithin.Milliseconds() {
		return nil
	}
	c := &optout.Confirm{Channel: it.channel.ID, Given: it.in.Given}
	if it.in.Who[0].Kind() == chat.KindPhone {
		c.Given = "+" + strings.TrimPrefix(c.Given, "+")
	}
	for _, list := range heard {
		body := list.List.OptinMessage
		if out {
			body = list.List.Confirmation
		}
		if body != "" {
			c.Texts = append(c.Texts, optout.Text{List: list.List.ID, Body: body})
		}
	}
	if len(c.Texts) == 0 {
		return nil
	}
	return c
}

func refs(key chat.Key, ids []chat.Identifier) (all []optout.Ref) {
	for _, id := range ids {
		all = append(all, optout.Ref{ID: id, P: key.Pseudonym(id)})
	}
	return all
}

// commandID names what an item causes: the same whenever Meta delivers the item again, and nothing personal.
func commandID(key chat.Key, it *item, what string) string {
	in := it.in
	parts := []string{what, in.Platform, in.NumberID, in.MessageID}
	if in.Kind != chat.KindMessage || in.MessageID == "" {
		parts = append(parts, string(in.Kind), strconv.FormatInt(it.at.UnixMilli(), 10))
		for _, id := range slices.Concat(in.Who, in.Before) {
			parts = append(parts, string(id))
		}
		if in.Receipt != nil {
			parts = append(parts, in.Receipt.Status)
		}
		if in.Preference != nil {
			parts = append(parts, strconv.FormatBool(in.Preference.Stop))
		}
	}
	return key.Message(strings.Join(parts, "|"))
}

// messageHash is how ledger and entries name the message that changed something.
func messageHash(key chat.Key, in chat.Inbound) string {
	if in.MessageID == "" {
		return ""
	}
	return key.Message(in.MessageID)
}
