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

// why answers GET /v1/why: what would happen to a send now, and because of which changes.
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
	person, err := a.person(c, account.ID, p)
	if err != nil {
		return err
	}
	checked := person.Checked(q.lists, q.channel)
	var rows []optout.Row
	for _, e := range checked {
		chain, err := optout.Chain(c.ctx, p, e, a.ledger(a.Shards.Of(p)))
		if err != nil {
			return fmt.Errorf("history of an entry: %w", err)
		}
		rows = append(rows, chain...)
	}
	return c.answer(fasthttp.StatusOK, optout.Why(checked, rows))
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
	channel, ok := a.Directory.Channel(c.account, c.query("channel"))
	if !ok {
		wrong = append(wrong, unknownChannel(c.query("channel")))
	}
	q.channel = channel.ID
	if q.to, err = chat.ParseRecipient(c.query("to"), channel.DefaultCountry); err != nil {
		wrong = append(wrong, fieldOf("to", err))
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
		if list == "" {
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
