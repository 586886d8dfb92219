package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// listsAtOnce bounds the lists of one change, so that a command stays small.
const listsAtOnce = 50

// consentChange is the body of POST and DELETE /v1/people/{identifier}/optouts.
type consentChange struct {
	Lists   []string `json:"lists"`
	Channel string   `json:"channel"` // or "*"
	Aliases bool     `json:"aliases"` // DELETE: lift every linked identifier too
}

// changedView says what became of one list. Entries are those that were asked to change; remaining ones are others of the
// same list that bar the identifier still.
type changedView struct {
	List      string         `json:"list"`
	Name      string         `json:"name"`
	Changed   bool           `json:"changed"`
	Entries   []standingView `json:"entries"`
	Remaining []standingView `json:"remaining"`
}

// consentView is the answer to a change of a person's consent.
type consentView struct {
	identity
	Channel string        `json:"channel"`
	Changed int           `json:"changed"` // entries that went from in to out or back, aliases' included
	Lists   []changedView `json:"lists"`
	Aliases []liftedView  `json:"aliases,omitempty"` // that were lifted too
	Linked  []linkedView  `json:"linked"`            // the person's other identifiers, and what is in force for them

	Truncated bool `json:"truncated"` // there are more identifiers, which nobody looked at
}

// liftedView says what became of an alias.
type liftedView struct {
	identity
	Lists []changedView `json:"lists"`
}

// optOutPerson puts one identifier on one or many lists; what is linked to it follows by itself.
func (a *API) optOutPerson(c *call) error {
	return a.changeConsent(c, true)
}

// optInPerson takes one identifier off one or many lists. What is linked stays as it is, unless that is expressly wished.
func (a *API) optInPerson(c *call) error {
	return a.changeConsent(c, false)
}

func (a *API) changeConsent(c *call, out bool) error {
	change, raw, err := c.consentChange(out)
	if err != nil {
		return err
	}
	account, id, err := a.whom(c, out, change.Channel)
	if err != nil {
		return err
	}
	chosen, err := a.checkChange(account, id, change, out)
	if err != nil {
		return err
	}
	me := ref(account, id)
	circle, err := a.circle(c, account, me.P)
	if err != nil {
		return err
	}
	circle.refs[0] = me
	if !change.Aliases {
		circle.refs, circle.persons = circle.refs[:1], circle.persons[:1]
	}
	command, _, err := a.once(c, account, raw)
	if err != nil {
		return err
	}
	pieces := make([]piece, len(circle.refs))
	for i, r := range circle.refs {
		pieces[i] = piece{command + "." + r.P.String(), optout.Edit{Show: true}}
		for _, l := range chosen {
			pieces[i].edit.Edits = append(pieces[i].edit.Edits, optout.PersonEdit{
				Who: r, Out: out, Lifts: i > 0, Marks: a.marks(l, change.Channel, circle.persons[i], out),
			})
		}
	}
	answers, decided, err := a.edits(c, account.ID, pieces)
	if err != nil {
		return err
	}
	if !decided {
		return accepted(c, command)
	}
	return a.sayConsent(c, account, change.Channel, circle, chosen, answers)
}

// sayConsent answers with what became of each list, and what is in force now for whatever is linked.
func (a *API) sayConsent(c *call, account optout.Account, channel string, asked circle, chosen []optout.List, answers []optout.EditAnswer) error {
	now, err := a.circle(c, account, asked.refs[0].P)
	if err != nil {
		return err
	}
	view := consentView{identity: viewIdentity(asked.refs[0]), Channel: channel, Linked: now.linked(account), Truncated: now.truncated}
	for i, r := range asked.refs {
		var views []changedView
		for n, l := range chosen {
			view.Changed += answers[i].Changed[n]
			v := changedView{List: l.ID, Name: l.Name, Changed: answers[i].Changed[n] > 0, Entries: []standingView{}, Remaining: []standingView{}}
			person := asked.persons[i] // its links; its entries are the answer's
			person.Entries = answers[i].Entries[n]
			for _, e := range person.Entries {
				v.Entries = append(v.Entries, viewOne(l, r, person, e))
			}
			for _, e := range asked.persons[i].Entries {
				if e.List == l.ID && e.Barred() && !slices.ContainsFunc(person.Entries, func(o optout.Entry) bool { return o.Channel == e.Channel }) {
					v.Remaining = append(v.Remaining, viewOne(l, r, asked.persons[i], e))
				}
			}
			views = append(views, v)
		}
		if i == 0 {
			view.Lists = views
		} else {
			view.Aliases = append(view.Aliases, liftedView{viewIdentity(r), views})
		}
	}
	return c.answer(fasthttp.StatusOK, view)
}

// marks gives the changes of one list. In again on all channels means each one on which the list knows the person.
func (a *API) marks(l optout.List, channel string, person optout.Person, out bool) []optout.Mark {
	marks := []optout.Mark{a.mark(l, channel, person.Entry(l.ID, channel), out)}
	if out || channel != chat.AnyChannel {
		return marks
	}
	for _, e := range person.Entries {
		if e.List == l.ID && e.Channel != chat.AnyChannel {
			marks = append(marks, a.mark(l, e.Channel, e, out))
		}
	}
	return marks
}

// consentChange reads the body; of a DELETE without one, the query.
func (c *call) consentChange(out bool) (change consentChange, raw []byte, err error) {
	if raw, err = c.body(smallBody); err != nil {
		return change, nil, err
	}
	if out || len(raw) > 0 {
		return change, raw, decode(raw, &change)
	}
	for id := range strings.SplitSeq(c.query("lists"), ",") {
		if id = strings.TrimSpace(id); id != "" {
			change.Lists = append(change.Lists, id)
		}
	}
	change.Channel = c.query("channel")
	change.Aliases, err = c.flag("aliases")
	return change, raw, err
}

// checkChange finds the lists, each once, in the order named. All wrong fields are told at once.
func (a *API) checkChange(account optout.Account, id chat.Identifier, change consentChange, out bool) (chosen []optout.List, err error) {
	var wrong []fault.Field
	if n := len(change.Lists); n == 0 || n > listsAtOnce {
		wrong = append(wrong, fault.Field{Field: "lists", Code: "out_of_range", Detail: fmt.Sprintf("names 1 to %d lists", listsAtOnce)})
	}
	for i, one := range change.Lists {
		l, ok := account.List(one)
		if !ok {
			wrong = append(wrong, fault.Field{Field: fmt.Sprintf("lists[%d]", i), Code: "unknown_list", Detail: "names a list that is not there"})
		} else if !slices.ContainsFunc(chosen, func(c optout.List) bool { return c.ID == l.ID }) {
			chosen = append(chosen, l)
		}
	}
	check := a.onceChannel
	if out {
		check = a.openChannel
	}
	if unknown := check(account, change.Channel); unknown != nil {
		wrong = append(wrong, *unknown)
	} else if id.Kind() == chat.KindEmail && change.Channel != chat.AnyChannel {
		wrong = append(wrong, fault.Field{Field: "channel", Code: "wrong_channel", Detail: `an e-mail is opted out of an e-mail channel or "*"`})
	}
	if out && change.Aliases {
		wrong = append(wrong, fault.Field{Field: "aliases", Code: "not_allowed", Detail: "is for opt-ins: an opt-out covers all linked identifiers by itself"})
	}
	return chosen, wrongFields(wrong)
}
