package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// looksAgain bounds how often why looks again where the gate and the person's state tell of two moments.
const looksAgain = 3

// why answers GET /v1/why: what would happen to a send now, and because of which changes. The gate itself is asked, and the
// answer is only given where it says the same as the state that explains it.
func (a *API) why(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	q, err := a.question(c, account)
	if err != nil {
		return err
	}
	p := account.Key.Pseudonym(q.to)
	for range looksAgain {
		person, err := a.person(c, account.ID, p)
		if err != nil {
			return err
		}
		checked := person.Checked(q.lists, q.channel)
		bars, barred := optout.Bars(checked)
		said := a.Broadcast.Gate.Ask(c.ctx, []gate.Question{{Account: account.ID, Channel: q.channel, Pseudonym: p, Lists: q.lists}})
		if len(said) != 1 || said[0].Verdict == gate.Unknown {
			return notCertain()
		}
		if (said[0].Verdict == gate.Skip) != barred {
			continue // it changes at this moment
		}
		explained, err := a.explain(c, p, checked)
		if err != nil {
			return err
		}
		if l, ok := listNamed(account, bars.List); barred && ok {
			explained.Name, explained.Reason = l.Name, optout.Reason(barring(person, l, bars))
		}
		if barred && bars.Via != 0 {
			if explained.Link, err = a.bond(c, account, person, bars); err != nil {
				return err
			}
		}
		return c.answer(fasthttp.StatusOK, explained)
	}
	return notCertain()
}

// notCertain says that nobody can know just now.
func notCertain() error {
	return fault.New(fault.NotCertain, "not_certain",
		"Whether this person has opted out can't be told with certainty just now, so nothing is sent. Try again.")
}

// barring is what the gate would say of an entry that bars.
func barring(person optout.Person, l optout.List, e optout.Entry) gate.Answer {
	return gate.Answer{Verdict: gate.Skip, List: l.ID, Channel: e.Channel, Cause: person.Cause(l.ID, e.Channel, l.Name)}
}

// explain reads what the ledger says of the entries that a send is checked against.
func (a *API) explain(c *call, p chat.Pseudonym, checked []optout.Entry) (optout.Explanation, error) {
	var rows []optout.Row
	for _, e := range checked {
		chain, err := optout.Chain(c.ctx, p, e, a.ledger(a.Shards.Of(p)))
		if err != nil {
			return optout.Explanation{}, fmt.Errorf("history of an entry: %w", err)
		}
		rows = append(rows, chain...)
	}
	return optout.Why(checked, rows), nil
}

// bond shows the link by which an opt-out came.
func (a *API) bond(c *call, account optout.Account, person optout.Person, e optout.Entry) (*optout.Bond, error) {
	other, err := a.person(c, account.ID, e.Via)
	if err != nil {
		return nil, err
	}
	bond := &optout.Bond{}
	bond.To, bond.Email = shown(other.ID)
	if cause := person.Cause(e.List, e.Channel, ""); cause != nil && cause.Link != nil {
		bond.Since, bond.By = cause.Link.Since, cause.Link.By
	}
	return bond, nil
}

// ledger reads rows of a shard's ledger.
func (a *API) ledger(shard int) func(context.Context, int64) (optout.Row, error) {
	return func(ctx context.Context, offset int64) (row optout.Row, err error) {
		r, err := a.Topics.At(ctx, stream.Consent, shard, offset)
		if err != nil {
			return row, err
		}
		return row, json.Unmarshal(r.Value, &row)
	}
}

// question is what a caller asks about.
type question struct {
	to      chat.Identifier
	channel string
	lists   []string // that are checked
}

// question reads the query. All its wrong fields are told at once.
func (a *API) question(c *call, account optout.Account) (q question, err error) {
	var wrong []fault.Field
	to, email := c.query("to"), c.query("email")
	if number, ok := strings.CutPrefix(to, " "); ok {
		to = "+" + number // a plus that was not escaped arrives as a space
	}
	channel, ok := a.Directory.Channel(c.account, c.query("channel"))
	q.channel = channel.ID
	switch {
	case ok:
	case email != "" && to == "" && (c.query("channel") == "" || c.query("channel") == chat.AnyChannel):
		q.channel = chat.AnyChannel // mail has no channels yet
	default:
		wrong = append(wrong, unknownChannel(c.query("channel")))
	}
	switch {
	case to != "" && email != "":
		wrong = append(wrong, fault.Field{Field: "email", Code: "one_of", Detail: "can't be asked together with to"})
	case email != "":
		if q.to, err = chat.Email(email); err != nil {
			wrong = append(wrong, fieldOf("email", err))
		}
	default:
		if q.to, err = chat.ParseIdentifier(to, channel.DefaultCountry); err != nil {
			wrong = append(wrong, fieldOf("to", err))
		}
	}
	category := c.query("category")
	if category == "" {
		category = chat.Marketing
	}
	if !slices.Contains([]string{chat.Marketing, chat.Utility, chat.Authentication, chat.Service}, category) {
		wrong = append(wrong, fault.Field{
			Field: "category", Code: "unknown_category", Detail: "is marketing, utility, authentication or service",
		})
	}
	var chosen []string
	for list := range strings.SplitSeq(c.query("lists"), ",") {
		if list = strings.TrimSpace(list); list == "" {
			continue
		}
		if _, ok := account.List(list); !ok {
			wrong = append(wrong, fault.Field{Field: "lists", Code: "unknown_list", Detail: "names a list that is not there"})
		}
		chosen = append(chosen, list)
	}
	q.lists = gate.Lists(chat.KindSingle, category, chosen)
	return q, wrongFields(wrong)
}
