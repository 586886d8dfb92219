package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// singles reads what became of messages by themselves.
type singles interface {
	// Single gives what is known of a message, the zero SingleOutcome for nothing, and the offset of its partition of outcomes
	// up to which that is folded. fault.NotCertain where nobody can know.
	Single(ctx context.Context, account, id string) (o broadcast.SingleOutcome, next int64, err error)
}

// createMessage hands one message to its lane. The gate is asked at once, so that who asks learns of an opt-out; the lane
// asks again before the call. A repeat under an Idempotency-Key is answered as the first time, whatever the person has said
// meanwhile, and finishes what the first left undone; a refusal is no answer that is repeated.
func (a *API) createMessage(c *call) error {
	c.changesNothing() // the message and what becomes of it are records by themselves
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
	m, err := broadcast.Terms{Account: account, Directory: a.Directory, Now: a.Now()}.Outbound(single, wrong)
	if err != nil {
		return err
	}
	bound, err := a.bound(c, account)
	if err == nil && !bound { // what was taken is not held against a template or a file once more
		err = a.fitting(c, m)
	}
	if err != nil {
		return err
	}
	request, again, err := a.once(c, account, body)
	if err != nil {
		return err
	}
	if m.ID, err = a.singleID(c.ctx, c.account, request, c.header("Idempotency-Key") != ""); err != nil {
		return err
	}
	var known broadcast.SingleOutcome
	if again {
		if known, err = a.singleOutcome(c.ctx, c.account, m.ID); err != nil {
			return err
		}
	}
	if known.Created == 0 {
		if bound {
			err = a.fitting(c, m)
		}
		if err == nil {
			err = a.admitted(c.ctx, m)
		}
		if err != nil {
			return err
		}
	}
	if known.Status == "" { // its lane may not have it, though it is known
		if err := a.queue(c.ctx, m); err != nil {
			return err
		}
	}
	c.rc.Response.Header.Set("Location", "/v1/messages/"+m.ID)
	return c.answer(http.StatusAccepted, messageAnswer{ID: m.ID, Status: "queued"})
}

// fitting refuses a message that doesn't fit its template or its files.
func (a *API) fitting(c *call, m chat.Outbound) error {
	_, unfit, err := a.fits(c, m.Channel, m.Category, m.Message)
	if err != nil {
		return err
	}
	return wrongFields(unfit)
}

// singleID names the message of a request. Under an Idempotency-Key it tells when the key was bound, too: lanes remember ids for longer
// than keys are bound, and would drop what somebody asks under the key later.
func (a *API) singleID(ctx context.Context, account, request string, keyed bool) (string, error) {
	if !keyed {
		return broadcast.SingleID(request), nil
	}
	bound, err := a.States.States(ctx, optout.OnceShard(a.Shards, account, request), shard.AnswerKey(request))
	if err != nil {
		return "", err
	}
	var answer shard.Answer
	if bound[0] == nil || json.Unmarshal(bound[0], &answer) != nil {
		return "", fault.New(fault.Unavailable, "unavailable", "The key could not be kept in time, and nothing was sent. Try again under the same key.")
	}
	return broadcast.SingleID(request + "." + strconv.FormatInt(answer.Made, 36)), nil
}

// admitted asks the gate whether a message may go. A fault.Unprocessable says why not.
func (a *API) admitted(ctx context.Context, m chat.Outbound) error {
	questions := []gate.Question{{
		Account: m.Account, Channel: m.Channel, Pseudonym: m.Pseudonym, Lists: gate.Lists(m.Kind, m.Category, m.Lists),
	}}
	answers := a.Broadcast.Gate.Ask(ctx, questions)
	if a.Broadcast.Explain != nil {
		a.Broadcast.Explain(ctx, questions, answers)
	}
	switch {
	case len(answers) != 1 || answers[0].Verdict == gate.Unknown:
		return fault.New(fault.NotCertain, "not_certain",
			"Whether this person has opted out can't be told with certainty just now, so nothing is sent. Try again.")
	case answers[0].Verdict == gate.Go:
		return nil
	case answers[0].Error() == gate.BlacklistReason:
		return fault.New(fault.Unprocessable, "blacklisted", "This person is on the blacklist.")
	}
	return fault.New(fault.Unprocessable, "opted_out", "This person has opted out. %s", optout.Reason(answers[0]))
}

// queue keeps a message, with the files of the library that it shows as Meta has them.
func (a *API) queue(ctx context.Context, m chat.Outbound) error {
	if a.Broadcast.Media != nil {
		var err error
		if m.Message, err = broadcast.Shown(ctx, a.Broadcast.Media, m); err != nil {
			return err
		}
	}
	records, err := broadcast.SingleRecords(a.Shards, m, a.Now())
	if err != nil {
		return err
	}
	if err := a.Publisher.Publish(ctx, records...); err != nil {
		return fault.Wrap(err, fault.Unavailable, "unavailable",
			"The message could not be kept. Try again under the same Idempotency-Key: without one it may be sent twice.")
	}
	return nil
}

// singleOutcome gives what is known of a message; the zero one where there is none. One that isn't there may only just have
// been kept, so that nothing is said before all that was kept until now is folded.
func (a *API) singleOutcome(ctx context.Context, account, id string) (broadcast.SingleOutcome, error) {
	ctx, cancel := context.WithTimeout(ctx, decisionTime)
	defer cancel()
	o, next, err := a.Broadcast.Singles.Single(ctx, account, id)
	if err != nil || o.Created != 0 {
		return o, err
	}
	_, end, err := a.Topics.Ends(ctx, stream.Outcomes, a.Shards.Outcomes(account, "", id))
	if err != nil {
		return o, fault.Wrap(err, fault.NotCertain, "not_certain", "What became of messages can't be told just now. Try again.")
	}
	for pause := firstLook; next < end; pause = min(2*pause, longestToLook) {
		if !shard.Sleep(ctx, pause) {
			return o, fault.New(fault.NotCertain, "not_certain", "What became of messages is being put together. Try again.")
		}
		if o, next, err = a.Broadcast.Singles.Single(ctx, account, id); err != nil || o.Created != 0 {
			return o, err
		}
	}
	return broadcast.SingleOutcome{}, nil
}

// messageBody bounds a single message's request, in bytes.
const messageBody = 256 << 10

type messageAnswer struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// messageView is a message by itself and what became of it, as the API shows it. Times that are not known are null.
type messageView struct {
	ID        string      `json:"id"`
	Status    chat.Status `json:"status"`
	Error     string      `json:"error"`
	List      string      `json:"list"`
	Reason    string      `json:"reason"`
	MessageID string      `json:"message_id"`
	To        string      `json:"to"`
	Channel   string      `json:"channel"`
	Category  string      `json:"category"`
	Created   string      `json:"created_at"`
	Sent      *string     `json:"sent_at"`
	Delivered *string     `json:"delivered_at"`
	Read      *string     `json:"read_at"`
	Failed    *string     `json:"failed_at"`
	Updated   string      `json:"updated_at"`
}

// showMessage answers GET /v1/messages/{id}.
func (a *API) showMessage(c *call) error {
	id := c.param("id")
	o, err := a.singleOutcome(c.ctx, c.account, id)
	if err != nil {
		return err
	}
	if o.Created == 0 {
		return fault.New(fault.NotFound, "not_found", "There is no such message, or it is older than %d days.",
			int(broadcast.SinglesKept/(24*time.Hour)))
	}
	return c.answer(http.StatusOK, messageView{
		ID: id, Status: o.Shown(), Error: o.Error, List: o.List, Reason: o.Reason, MessageID: o.MessageID,
		To: o.To.Shown(), Channel: o.Channel, Category: o.Category, Created: instant(o.Created), Sent: moment(o.Sent),
		Delivered: moment(o.Delivered), Read: moment(o.Read), Failed: moment(o.Failed), Updated: instant(o.Updated()),
	})
}

// moment is instant, and nil for none.
func moment(ms int64) *string {
	if ms == 0 {
		return nil
	}
	text := instant(ms)
	return &text
}
