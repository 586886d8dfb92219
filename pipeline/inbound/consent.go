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

// consent gives the commands that an item causes: a change of consent by the person's words or by Meta's switch, or the
// tie of all identifiers that the item shows together, unless it is in the log already or among those asked for.
func (h *Handler) consent(it *item, asked map[tie]bool) (records []*stream.Record, made tie, err error) {
	if len(it.who) == 0 {
		return nil, made, nil
	}
	now := h.Now()
	change, ok := h.change(it, now.UnixMilli())
	if it.blocked {
		change, ok = it.silence(change, ok)
	}
	if ok {
		change.Linked = len(it.who) > 1
		it.linked = change.Linked
		records, err = change.Records(h.Shards, it.id("change"), it.channel.Account, now.UnixMilli())
		return records, made, err
	}
	if len(it.who) == 1 || it.salvaged {
		return nil, made, nil
	}
	it.linked = true
	t := tieOf(it.known.Lexicon, it.who)
	if asked[t] || h.ties.has(t, now) {
		return nil, made, nil
	}
	records, err = optout.Tie{Who: it.who, At: it.at.UnixMilli(), By: optout.SourceWebhook}.
		Records(h.Shards, it.id("link"), it.channel.Account, now.UnixMilli())
	return records, t, err
}

// change says whether the item opts somebody out or in.
func (h *Handler) change(it *item, made int64) (optout.Change, bool) {
	in := &it.in
	change := optout.Change{Who: it.who[:len(in.Who):len(in.Who)]}
	switch {
	case len(in.Who) == 0:
		return change, false
	case in.Kind == chat.KindPreference && in.Preference != nil:
		if category := in.Preference.Category; category != "" && category != marketingCategory {
			return change, false
		}
		change.Out = in.Preference.Stop
		it.mark(&change, gate.MetaList, "user_preferences")
	case in.Kind == chat.KindReceipt && in.Receipt != nil && in.Receipt.Code == stoppedMarketing:
		change.Out = true
		it.mark(&change, gate.MetaList, strconv.Itoa(stoppedMarketing))
	case in.Kind == chat.KindMessage && in.Acts:
		words := optout.Candidates(in.Texts)
		heard, out := it.known.Hear(it.channel.ID, words)
		if len(heard) == 0 {
			it.near, it.nearLists = it.known.Near(it.channel.ID, words)
			return change, false
		}
		if it.salvaged && !out {
			return change, false
		}
		change.Out = out
		source := optout.SourceMessage
		if it.salvaged {
			source = optout.SourceSalvage
		}
		for _, list := range heard {
			mark := optout.Mark{
				List: list.List.ID, Channel: list.List.Covers(it.channel.ID), At: it.at.UnixMilli(),
				Source: source, Rule: list.Word, Message: it.message(), Feed: list.List.Feeds(out),
			}
			change.Marks = append(change.Marks, mark)
			if !out && mark.Channel != it.channel.ID { // a STOP from before the list covered all channels
				mark.Channel = it.channel.ID
				change.Marks = append(change.Marks, mark)
			}
		}
		change.Confirm = confirmation(it, heard, out, made)
	}
	it.tell(change)
	return change, len(change.Marks) > 0
}

// mark adds what Meta told of a person to a list.
func (it *item) mark(change *optout.Change, list, rule string) {
	covers, feeds := it.channel.ID, false
	if l, ok := it.known.Account.List(list); ok {
		covers, feeds = l.Covers(covers), l.Feeds(change.Out)
	}
	change.Marks = append(change.Marks, optout.Mark{
		List: list, Channel: covers, At: it.at.UnixMilli(), Source: optout.SourceMeta, Rule: rule, Message: it.message(),
		Feed: feeds,
	})
}

// tell notes for log and event what is done.
func (it *item) tell(change optout.Change) {
	for _, m := range change.Marks {
		if !slices.Contains(it.lists, m.List) {
			it.lists = append(it.lists, m.List)
		}
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
		if body := list.Text(out); body != "" {
			c.Texts = append(c.Texts, optout.Text{List: list.List.ID, Body: body})
		}
	}
	if len(c.Texts) == 0 {
		return nil
	}
	return c
}

// refs gives everybody that an item shows.
func refs(hash *chat.Hasher, in chat.Inbound) []optout.Ref {
	all := make([]optout.Ref, 0, len(in.Who)+len(in.Before))
	for _, ids := range [...][]chat.Identifier{in.Who, in.Before} {
		for _, id := range ids {
			all = append(all, optout.Ref{ID: id, P: hash.Pseudonym(id)})
		}
	}
	return all
}

// id names what the item causes: the same whenever Meta delivers the item again, and nothing personal.
func (it *item) id(what string) string {
	in := &it.in
	b := make([]byte, 0, 128)
	add := func(part string) { b = append(append(b, '|'), part...) }
	b = append(b, what...)
	add(in.Platform)
	add(in.NumberID)
	add(in.MessageID)
	if in.Kind != chat.KindMessage || in.MessageID == "" {
		add(string(in.Kind))
		b = strconv.AppendInt(append(b, '|'), it.at.UnixMilli(), 10)
		for _, ref := range it.who {
			add(string(ref.ID))
		}
		if in.Receipt != nil {
			add(in.Receipt.Status)
		}
		if in.Preference != nil {
			add(strconv.FormatBool(in.Preference.Stop))
		}
	}
	return it.known.hash.Message(string(b))
}

// message is how ledger and entries name the message that changed something.
func (it *item) message() string {
	if it.in.MessageID == "" {
		return ""
	}
	return it.known.hash.Message(it.in.MessageID)
}
