package api

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// newEntry is the body of POST /v1/optout-lists/{list}/entries.
type newEntry struct {
	To      string `json:"to"`
	Email   string `json:"email"`
	Channel string `json:"channel"`
}

// addEntry opts somebody out. A phone and an e-mail given together make two entries that are not linked; the answer is the
// first one, with the other in also.
func (a *API) addEntry(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	var body newEntry
	if err := c.decode(smallBody, &body); err != nil {
		return err
	}
	who, err := a.named(c, body)
	if err != nil {
		return err
	}
	id, err := c.changeID(account.Key, body.Channel, who)
	if err != nil {
		return err
	}
	type answer struct {
		entryView
		Also []entryView `json:"also,omitempty"`
	}
	var said answer
	for i, one := range who {
		view, err := a.change(c, account, fmt.Sprintf("%s.%d", id, i), one, l.ID, body.Channel, true)
		switch {
		case err != nil:
			return err
		case view == nil:
			return accepted(c, id)
		case i == 0:
			said.entryView = *view
		default:
			said.Also = append(said.Also, *view)
		}
	}
	return c.answer(fasthttp.StatusCreated, said)
}

// named reads whom the body names. All its wrong fields are told at once.
func (a *API) named(c *call, body newEntry) ([]chat.Identifier, error) {
	var who []chat.Identifier
	var wrong []fault.Field
	channel, known := a.Directory.Channel(c.account, body.Channel)
	switch {
	case body.Channel == "":
		wrong = append(wrong, fault.Field{Field: "channel", Code: "required", Detail: `names a channel, or "*" for all`})
	case !known && body.Channel != chat.AnyChannel:
		wrong = append(wrong, unknownChannel(body.Channel))
	}
	if body.To == "" && body.Email == "" {
		for _, name := range []string{"to", "email"} {
			wrong = append(wrong, fault.Field{Field: name, Code: "required", Detail: "to or email is needed: both are empty"})
		}
	}
	read := func(field, text string, parse func() (chat.Identifier, error)) {
		if text == "" {
			return
		}
		id, err := parse()
		if err != nil {
			wrong = append(wrong, fieldOf(field, err))
			return
		}
		who = append(who, id)
	}
	read("to", body.To, func() (chat.Identifier, error) { return chat.ParseRecipient(body.To, channel.DefaultCountry) })
	read("email", body.Email, func() (chat.Identifier, error) {
		if known {
			return "", fault.New(fault.Unprocessable, "wrong_channel", `an e-mail is opted out of an e-mail channel or "*"`)
		}
		return chat.Email(body.Email)
	})
	return who, wrongFields(wrong)
}

// removeEntry opts one identifier in again. What is linked to it stays as it is, and is named in the answer.
func (a *API) removeEntry(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	number, channel, _ := strings.Cut(c.param("id"), ".")
	n, err := strconv.ParseInt(number, 10, 64)
	p := chat.Pseudonym(n)
	if err != nil || p < 0 {
		return noEntry()
	}
	person, err := a.person(c, c.account, p)
	if err != nil {
		return err
	}
	entry := find(person, l.ID, channel)
	if !entry.Barred() || person.ID == "" {
		return noEntry()
	}
	id := chance()
	view, err := a.change(c, account, id, person.ID, l.ID, channel, false)
	if err != nil {
		return err
	}
	if view == nil {
		return accepted(c, id)
	}
	linked, err := a.linked(c, person)
	if err != nil {
		return err
	}
	return c.answer(fasthttp.StatusOK, struct {
		entryView
		Linked []linkView `json:"linked"` // other identifiers of the person, which are not lifted
	}{*view, linked})
}

// changeID names what this call wants: by its Idempotency-Key, so that a repeated call is the same command, else by chance.
// Whom it names is part of it: a key that was used for somebody else must never answer for a change that was not made.
func (c *call) changeID(key chat.Key, channel string, who []chat.Identifier) (string, error) {
	given, err := c.idempotency()
	if err != nil || given == "" {
		return chance(), err
	}
	return key.Message(fmt.Sprintf("change:%s %s %q %q %s", c.rc.Method(), c.rc.Path(), channel, who, given)), nil
}

// change makes one consent.change of one identifier and gives the entry as it is afterwards; nil while it is not decided.
// Its time is later than everything that its maker could have seen. A command that was decided before is not made again.
func (a *API) change(c *call, account optout.Account, command string, id chat.Identifier, list, channel string, out bool) (*entryView, error) {
	p := account.Key.Pseudonym(id)
	at := a.Shards.Of(p)
	said, err := a.States.States(c.ctx, at, shard.AnswerKey(command))
	if err != nil {
		return nil, err
	}
	if said[0] == nil {
		before, err := a.entry(c, p, list, channel)
		if err != nil {
			return nil, err
		}
		now := a.Now().UnixMilli()
		change := optout.Change{
			Who: []optout.Ref{{ID: id, P: p}}, Out: out, Answer: true,
			Marks: []optout.Mark{{List: list, Channel: channel, At: max(now, before.Out+1, before.In+1), Source: optout.SourceAPI}},
		}
		records, err := change.Records(a.Shards, command, account.ID, now)
		if err != nil {
			return nil, err
		}
		if err := a.Publisher.Publish(c.ctx, records...); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "unavailable", "The change could not be kept. Try again.")
		}
		answer, err := a.decided(c.ctx, at, records[0].Offset, command)
		if err != nil || answer == nil {
			return nil, err
		}
	}
	after, err := a.entry(c, p, list, channel)
	if err != nil {
		return nil, err
	}
	view := viewEntry(optout.Listed{
		ID: p.String() + "." + channel, Who: id, Channel: channel, Source: after.Source, Since: time.UnixMilli(after.Out),
	})
	return &view, nil
}

// entry reads one entry of an identifier.
func (a *API) entry(c *call, p chat.Pseudonym, list, channel string) (optout.Entry, error) {
	person, err := a.person(c, c.account, p)
	return find(person, list, channel), err
}

// person reads the state of one identifier; an empty one where there is none.
func (a *API) person(c *call, account string, p chat.Pseudonym) (person optout.Person, err error) {
	raw, err := a.States.States(c.ctx, a.Shards.Of(p), optout.PersonKey(account, p))
	if err != nil || raw[0] == nil {
		return person, err
	}
	if err := json.Unmarshal(raw[0], &person); err != nil {
		return person, fmt.Errorf("state of a person: %w", err)
	}
	return person, nil
}

// find gives an entry of a person; one that bars nothing where there is none.
func find(person optout.Person, list, channel string) optout.Entry {
	for _, e := range person.Entries {
		if e.List == list && e.Channel == channel {
			return e
		}
	}
	return optout.Entry{Row: optout.NoRow}
}

// linkView is another identifier of a person.
type linkView struct {
	To    *string `json:"to"`
	Email *string `json:"email"`
}

func (a *API) linked(c *call, person optout.Person) ([]linkView, error) {
	views := []linkView{}
	for _, l := range person.Links {
		other, err := a.person(c, c.account, l.P)
		if err != nil {
			return nil, err
		}
		if other.ID == "" {
			continue
		}
		var v linkView
		v.To, v.Email = shown(other.ID)
		views = append(views, v)
	}
	return views, nil
}

// accepted answers that a command is kept and not decided yet.
func accepted(c *call, id string) error {
	return c.answer(fasthttp.StatusAccepted, map[string]string{"id": id, "status": "accepted"})
}

func noEntry() error {
	return fault.New(fault.NotFound, "unknown_entry", "There is no such entry on this list.")
}
