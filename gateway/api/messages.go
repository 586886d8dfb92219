package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// createMessage hands one message to its lane. The gate is asked at once, so that who asks learns of an opt-out; the lane
// asks again before the call.
func (a *API) createMessage(c *call) error {
	c.changesNothing() // the message and what becomes of it are records by themselves
	key, err := c.idempotency()
	if err != nil {
		return err
	}
	body, err := c.body(messageBody)
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	single, wrong, err := broadcast.ParseSingle(body)
	if err != nil {
		return err
	}
	terms := broadcast.Terms{Account: account, Directory: a.Directory, Now: a.Now()}
	m, err := terms.Outbound(broadcast.SingleID(account.Key, key, chance()), single, wrong)
	if err != nil {
		return err
	}
	questions := []gate.Question{{
		Account: m.Account, Channel: m.Channel, Pseudonym: m.Pseudonym, Lists: gate.Lists(m.Kind, m.Category, m.Lists),
	}}
	answers := a.Broadcast.Gate.Ask(c.ctx, questions)
	if a.Broadcast.Explain != nil {
		a.Broadcast.Explain(c.ctx, questions, answers)
	}
	switch {
	case len(answers) != 1 || answers[0].Verdict == gate.Unknown:
		return fault.New(fault.NotCertain, "not_certain",
			"Whether this person has opted out can't be told with certainty just now, so nothing is sent. Try again.")
	case answers[0].Verdict == gate.Skip:
		return fault.New(fault.Unprocessable, "opted_out", "This person has opted out. %s", optout.Reason(answers[0]))
	}
	value, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write a message: %w", err)
	}
	record := &stream.Record{Topic: single.Lane(), Partition: m.Lane(a.Shards), Key: []byte(m.Key()), Value: value}
	if err := a.Publisher.Publish(c.ctx, record); err != nil {
		return fault.Wrap(err, fault.Unavailable, "unavailable", "The message could not be kept. Try again.")
	}
	return c.answer(http.StatusAccepted, messageAnswer{ID: m.ID, Status: "queued"})
}

// messageBody bounds a single message's request, in bytes.
const messageBody = 256 << 10

type messageAnswer struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}
