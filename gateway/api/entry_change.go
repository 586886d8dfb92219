package api

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
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
	raw, err := c.read(smallBody, &body)
	if err != nil {
		return err
	}
	who, err := a.named(account, body)
	if err != nil {
		return err
	}
	id, _, err := a.once(c, account, raw)
	if err != nil {
		return err
	}
	pieces := make([]piece, len(who))
	for i, one := range who {
		named := ref(account, one)
		person, err := a.person(c, account.ID, named.P)
		if err != nil {
			return err
		}
		pieces[i] = piece{fmt.Sprintf("%s.%d", id, i), optout.Edit{Show: true, Edits: []optout.PersonEdit{{
			Who: named, Out: true, Marks: []optout.Mark{a.mark(l, body.Channel, person.Entry(l.ID, body.Channel), true)},
		}}}}
	}
	answers, decided, err := a.edits(c, account.ID, pieces)
	if err != nil {
		return err
	}
	if !decided {
		return accepted(c, id)
	}
	type answer struct {
		entryView
		Also []entryView `json:"also,omitempty"`
	}
	var said answer
	for i, one := range answers {
		e := one.Entries[0][0]
		if !e.Barred() {
			return changedMeanwhile()
		}
		view := viewStanding(pieces[i].edit.Edits[0].Who, e)
		if i == 0 {
			said.entryView = view
		} else {
			said.Also = append(said.Also, view)
		}
	}
	return c.answer(fasthttp.StatusCreated, said)
}

// named reads whom the body names. All its wrong fields are told at once.
func (a *API) named(account optout.Account, body newEntry) ([]chat.Identifier, error) {
	var who []chat.Identifier
	var wrong []fault.Field
	if unknown := a.openChannel(account, body.Channel); unknown != nil {
		wrong = append(wrong, *unknown)
	}
	body.To, body.Email = strings.TrimSpace(body.To), strings.TrimSpace(body.Email)
	if body.To == "" && body.Email == "" {
		for _, name := range []string{"to", "email"} {
			wrong = append(wrong, fault.Field{Field: name, Code: "required", Detail: "to or email is needed: both are empty"})
		}
	}
	if body.To != "" {
		id, err := chat.ParseTo(body.To, a.country(account, body.Channel))
		if err != nil {
			wrong = append(wrong, fieldOf("to", err))
		}
		who = append(who, id)
	}
	if body.Email != "" {
		id, err := readEmail(body.Email, body.Channel)
		if err != nil {
			wrong = append(wrong, fieldOf("email", err))
		}
		who = append(who, id)
	}
	return who, wrongFields(wrong)
}

// lift takes the identifier that a path names off a list, and gives it with its entry then; missing is the error of one that isn't on
// it. The zero Ref and no error: it is accepted and not decided yet, and the call is answered.
func (a *API) lift(c *call, account optout.Account, l optout.List, missing func() error) (who optout.Ref, after optout.Entry, err error) {
	p, channel, ok := parseEntryID(c.param("id"))
	if !ok {
		return who, after, missing()
	}
	person, err := a.person(c, account.ID, p)
	if err != nil {
		return who, after, err
	}
	id, again, err := a.once(c, account, nil)
	if err != nil {
		return who, after, err
	}
	before := person.Entry(l.ID, channel)
	if !again && !before.Barred() {
		return who, after, missing()
	}
	answers, decided, err := a.edits(c, account.ID, []piece{{id + ".0", optout.Edit{Show: true, Edits: []optout.PersonEdit{{
		Who: optout.Ref{P: p}, Lifts: true, Marks: []optout.Mark{a.mark(l, channel, before, false)},
	}}}}})
	if err != nil {
		return who, after, err
	}
	if !decided {
		return who, after, accepted(c, id)
	}
	after = answers[0].Entries[0][0]
	switch {
	case answers[0].Changed[0] > 0:
		return optout.Ref{ID: person.ID, P: p}, after, nil
	case after.Barred():
		return who, after, changedMeanwhile()
	}
	return who, after, missing()
}

// removeEntry opts one identifier in again. What is linked to it stays as it is, and is named in the answer.
func (a *API) removeEntry(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	who, after, err := a.lift(c, account, l, noEntry)
	if err != nil || who.P == 0 {
		return err
	}
	circle, err := a.circle(c, account, who.P)
	if err != nil {
		return err
	}
	return c.answer(fasthttp.StatusOK, struct {
		entryView
		Linked    []linkedView `json:"linked"`    // the person's other identifiers, which are not lifted
		Truncated bool         `json:"truncated"` // there are more of them
	}{viewStanding(who, after), circle.linked(account), circle.truncated})
}

// longestEntryID bounds what is read as an entry's id, so that a command of many stays small.
const longestEntryID = 200

// parseEntryID reads what entryID wrote.
func parseEntryID(text string) (p chat.Pseudonym, channel string, ok bool) {
	if len(text) > longestEntryID {
		return 0, "", false
	}
	number, channel, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	p = chat.Pseudonym(n)
	return p, channel, err == nil && p >= 0 && channel != "" && p.String() == number
}

// person reads the state of one identifier; an empty one where there is none.
func (a *API) person(c *call, account string, p chat.Pseudonym) (optout.Person, error) {
	persons, err := a.persons(c, account, a.Shards.Of(p), []chat.Pseudonym{p})
	if err != nil {
		return optout.Person{}, err
	}
	return persons[0], nil
}

// persons reads the states of identifiers of one shard; an empty one where there is none.
func (a *API) persons(c *call, account string, at int, people []chat.Pseudonym) ([]optout.Person, error) {
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = optout.PersonKey(account, p)
	}
	states, err := a.States.States(c.ctx, at, keys...)
	if err != nil {
		return nil, err
	}
	persons := make([]optout.Person, len(people))
	for i, raw := range states {
		if raw == nil {
			continue
		}
		if err := json.Unmarshal(raw, &persons[i]); err != nil {
			return nil, fmt.Errorf("state of a person: %w", err)
		}
	}
	return persons, nil
}

// accepted answers that a command is kept and not decided yet.
func accepted(c *call, id string) error {
	return c.answer(fasthttp.StatusAccepted, map[string]string{"id": id, "status": "accepted"})
}

func noEntry() error {
	return fault.New(fault.NotFound, "unknown_entry", "There is no such entry on this list.")
}

func changedMeanwhile() error {
	return fault.New(fault.Conflict, "changed_meanwhile", "Somebody else changed this entry at a later moment, so that it stays as it is. Look at it and ask again.")
}
