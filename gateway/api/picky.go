package api

import (
	"encoding/json"
	"errors"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// pickyProblem is an error as programs written for Picky Assist read it. Its status is that of HTTP: 100 alone says success there.
type pickyProblem struct {
	Status  int           `json:"status"`
	Message string        `json:"message"`
	Code    string        `json:"code"` // stable, for programs; as of problems
	Errors  []fault.Field `json:"errors,omitempty"`
}

// refuse answers with a problem, in the shape that the route's callers know.
func (r *route) refuse(rc *fasthttp.RequestCtx, err error) (status int) {
	status = refuse(rc, err)
	if r == nil || r.scope != inBody {
		return status
	}
	var p problem
	if json.Unmarshal(rc.Response.Body(), &p) != nil {
		return status
	}
	said := pickyProblem{Status: p.Status, Message: p.Detail, Code: p.Code, Errors: p.Errors}
	body, wrong := json.Marshal(said)
	if wrong != nil {
		panic(wrong) // strings always encode
	}
	rc.SetContentType("application/json")
	rc.SetBody(append(body, '\n'))
	rc.Response.Header.Del("WWW-Authenticate") // a token in the body is no scheme of HTTP
	return status
}

// enter reads a call whose body names the token, and lets it in if that may send. Calls of an account count together under a
// key, "" for those of the token under the API's limit; those with unknown tokens count as everywhere.
func (a *API) enter(c *call, limit int, window string) (body []byte, err error) {
	if body, err = c.body(pushBody); err != nil {
		return nil, err
	}
	var given struct {
		Token string `json:"token"`
	}
	unread := json.Unmarshal(body, &given)
	who, unknown := a.bearer(c.ctx, given.Token)
	switch {
	case unknown != nil || window == "":
		err = a.limit(c, who)
	default:
		err = a.counted(c, window+"/"+who.account, limit)
	}
	if err != nil {
		return nil, err
	}
	if _, syntax := errors.AsType[*json.SyntaxError](unread); syntax {
		return nil, fault.New(fault.Invalid, "invalid_json", "The body must be a JSON object.")
	}
	if unknown != nil {
		if fault.KindOf(unknown) == fault.Unauthorized {
			unknown = fault.New(fault.Unauthorized, "unauthorized", "Give a known token as token, in the body.")
		}
		return nil, unknown
	}
	c.account, c.token = who.account, who.name
	return body, who.may(send)
}

// application finds the channel of a number; of 0, the account's only WhatsApp channel.
func (a *API) application(account optout.Account, number int) (chat.Channel, error) {
	var found []chat.Channel
	for id, n := range account.Numbers {
		if of, ok := a.Directory.Channel(account.ID, id); ok && of.Kind == chat.WhatsApp && (number == 0 || number == n) {
			found = append(found, of)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case number != 0:
		return chat.Channel{}, wrongField(fault.Unprocessable, "application", "unknown_channel", "is the number of no WhatsApp channel of this account")
	case len(found) == 0:
		return chat.Channel{}, wrongField(fault.Unprocessable, "application", "unknown_channel", "can't be left out: this account has no WhatsApp channel")
	}
	return chat.Channel{}, wrongField(fault.Unprocessable, "application", "required", "can't be left out: this account has several WhatsApp channels")
}
