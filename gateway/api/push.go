package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/picky"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// pushBody bounds a push, in bytes.
const pushBody = broadcast.MaxRequest

// pushAnswer says that a push is kept, and by which id what becomes of each number can be found.
type pushAnswer struct {
	Status  int         `json:"status"`
	ID      string      `json:"push_id"`
	Message string      `json:"message"`
	Data    []pushedRow `json:"data"`
}

type pushedRow struct {
	ID     string `json:"msg_id"`
	Number string `json:"number"`
	Credit string `json:"credit"` // nothing is charged
}

// push answers POST /app/api/v2/push: a broadcast that is checked against the list Default, whose recipients may have messages of
// their own. It is kept once it is answered 100.
func (a *API) push(c *call) error {
	body, err := a.enter(c, a.Pushes, "push")
	if err != nil {
		return err
	}
	p, err := picky.ParsePush(body)
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	channel, err := a.application(account, p.Application)
	if err != nil {
		return err
	}
	key, err := c.idempotency()
	if err != nil {
		return err
	}
	if key != "" {
		key = "push/" + key
	}
	wanted := broadcast.Push{Channel: channel.ID, Category: chat.Marketing, Priority: p.Priority, Message: p.Message}
	if wanted.Category, err = a.categoryOf(c, channel, p); err != nil {
		return err
	}
	for _, r := range p.Recipients {
		wanted.To = append(wanted.To, broadcast.PushRow{Given: r.Given, To: r.To, Message: r.Message})
	}
	terms := broadcast.Terms{Account: account, Directory: a.Directory, Now: a.Now()}
	ref := broadcast.Ref{Account: c.account, ID: broadcast.ID(account.Key, key, chance())}
	kept, err := a.kept(c, ref, broadcast.Digest(account.Key, body))
	if err == nil && !kept {
		err = a.vet(c, wanted)
	}
	if err != nil {
		return err
	}
	draft, stands, err := terms.Push(ref.ID, body, wanted, picky.Rename)
	if err != nil {
		return err
	}
	if !kept {
		if err := a.keep(c, draft); err != nil {
			return err
		}
	}
	said := pushAnswer{Status: picky.Success, ID: draft.ID, Message: "Success", Data: make([]pushedRow, len(stands))}
	for i, row := range stands {
		said.Data[i] = pushedRow{ID: draft.MessageID(row), Number: p.Recipients[i].Given, Credit: "0"}
	}
	return c.answer(http.StatusOK, said)
}

// kept says whether a push was kept before, under the same Idempotency-Key.
func (a *API) kept(c *call, ref broadcast.Ref, digest string) (bool, error) {
	there, err := a.Broadcast.Broadcasts.Broadcast(c.ctx, ref)
	if err != nil || there == nil || there.Status == broadcast.Collecting {
		return false, err
	}
	if there.Digest != digest {
		return true, refused(&shard.Answer{Code: broadcast.CodeKeyReused, Msg: "This Idempotency-Key was used for another request."})
	}
	return true, nil
}

// keep plans a broadcast. It returns once that is kept; a moment later it is decided.
func (a *API) keep(c *call, draft broadcast.Draft) error {
	at := draft.Shard(a.Shards)
	_, end, err := a.Topics.Ends(c.ctx, stream.Outcomes, at)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "unavailable", "The push could not be kept. Try again.")
	}
	pages, create, err := draft.Commands(a.Now(), end)
	if err != nil {
		return err
	}
	if _, err := a.publish(c.ctx, at, pages...); err != nil {
		return err
	}
	_, err = a.decide(c.ctx, at, create) // where that takes long, it is kept all the same
	return err
}

// vet holds the messages of a push against their template.
func (a *API) vet(c *call, p broadcast.Push) error {
	var wrong []fault.Field
	look := func(raw json.RawMessage, row int) error {
		if raw == nil || len(wrong) > 0 {
			return nil
		}
		_, unfit, err := a.fits(c, p.Channel, p.Category, raw)
		for _, f := range unfit {
			wrong = append(wrong, picky.Rename(f, row))
		}
		return err
	}
	if err := look(p.Message, -1); err != nil {
		return err
	}
	for i, to := range p.To {
		if err := look(to.Message, i); err != nil {
			return err
		}
	}
	return picky.Wrong(wrong)
}

// categoryOf gives the category of a push: that of its template where Meta tells it, else marketing, the one that is checked
// against most.
func (a *API) categoryOf(c *call, channel chat.Channel, p picky.Push) (string, error) {
	if p.Template == "" || a.Templates == nil {
		return chat.Marketing, nil
	}
	of, known, err := a.Templates.Find(c.ctx, c.account, channel.ID, p.Template, p.Language)
	if err != nil {
		return "", err
	}
	switch category := strings.ToLower(of.Category); {
	case known && category == chat.Utility, known && category == chat.Authentication:
		return category, nil
	}
	return chat.Marketing, nil
}
