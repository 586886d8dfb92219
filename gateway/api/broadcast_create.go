package api

import (
	"encoding/json"
	"net/http"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/pipeline/template"
)

// createBroadcast plans a broadcast and waits until its shard's owner has decided it. A repeated Idempotency-Key, also at
// the same time, gets the same answer again. Of a dry run nothing is kept.
func (a *API) createBroadcast(c *call) error {
	dry, err := c.flag("dry_run")
	if err != nil {
		return err
	}
	key, err := c.idempotency()
	if err != nil {
		return err
	}
	body, err := c.body(broadcast.MaxRequest)
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	id := broadcast.ID(account.Key, key, chance())
	if key != "" && !dry {
		done, err := a.repeated(c, broadcast.Ref{Account: c.account, ID: id}, broadcast.Digest(account.Key, body))
		if done || err != nil {
			return err
		}
	}
	request, wrong, err := broadcast.ParseRequest(body)
	if err != nil {
		return err
	}
	terms := broadcast.Terms{Account: account, Directory: a.Directory, Now: a.Now()}
	wrong, err = a.terms(c, request, &terms, wrong)
	if err != nil {
		return err
	}
	found, unfit, err := a.template(c, request)
	if err != nil {
		return err
	}
	if dry {
		return a.rehearse(c, terms, body, request, wrong, found, unfit)
	}
	draft, err := terms.Draft(id, body, request, append(wrong, unfit...))
	if err != nil {
		return err
	}
	return a.plan(c, draft, terms)
}

// plan has a draft decided.
func (a *API) plan(c *call, draft broadcast.Draft, terms broadcast.Terms) error {
	at := draft.Shard(a.Shards)
	_, end, err := a.Topics.Ends(c.ctx, stream.Outcomes, at)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "unavailable", "The broadcast could not be kept. Try again.")
	}
	pages, create, err := draft.Commands(terms.Now, end)
	if err != nil {
		return err
	}
	if draft.Plan.Source.Upload != "" {
		if err := a.useAudience(c, *terms.Upload, draft.ID); err != nil {
			return err
		}
	}
	if len(pages) > 0 {
		if _, err := a.publish(c.ctx, at, pages...); err != nil {
			return err
		}
	}
	answer, err := a.decide(c.ctx, at, create)
	status := http.StatusCreated
	switch {
	case err != nil:
		return err
	case answer == nil:
		status = http.StatusAccepted // kept, and decided later
	}
	return c.answer(status, draft.Plan.Accepted(draft.ID))
}

// useAudience keeps an audience from being forgotten. Should the broadcast never come to be, the audience is let go again later.
func (a *API) useAudience(c *call, audience broadcast.Audience, id string) error {
	command, err := broadcast.AudienceUse(audience.Ref(), id, a.Now().UnixMilli())
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, audience.Ref().Shard(a.Shards), command)
	if err == nil && answer == nil {
		return fault.New(fault.Unavailable, "unavailable", "The audience could not be held in time, and nothing was planned. Try again.")
	}
	return err
}

// repeated answers a request whose key made a broadcast before.
func (a *API) repeated(c *call, ref broadcast.Ref, digest string) (done bool, err error) {
	b, err := a.Broadcast.Broadcasts.Broadcast(c.ctx, ref)
	if err != nil || b == nil || b.Status == broadcast.Collecting {
		return false, err
	}
	if b.Digest != digest {
		return true, refused(&shard.Answer{Code: broadcast.CodeKeyReused, Msg: "This Idempotency-Key was used for another request."})
	}
	return true, c.answer(http.StatusCreated, b.Accepted(b.ID))
}

// terms looks up what a request names, and adds to what is wrong with it what the doors find.
func (a *API) terms(c *call, r broadcast.Request, t *broadcast.Terms, wrong []fault.Field) ([]fault.Field, error) {
	var err error
	if r.Upload != "" {
		if t.Upload, err = a.Audiences.Audience(c.ctx, broadcast.Ref{Account: c.account, ID: r.Upload}); err != nil {
			return nil, err
		}
	}
	if r.Segment != "" {
		if t.Segment, err = a.Segments.Segment(c.ctx, c.account, r.Segment); err != nil && fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
	}
	if r.WebhookURL != "" && a.CheckURL != nil && !told(wrong, "webhook_url") {
		if err := a.CheckURL(r.WebhookURL); err != nil {
			wrong = append(wrong, fieldOf("webhook_url", err))
		}
	}
	return wrong, nil
}

// template finds the template that a request's message is an instance of, and says where it isn't. nil: it is none, or nobody knows.
func (a *API) template(c *call, r broadcast.Request) (*template.Template, []fault.Field, error) {
	if r.Message.IsZero() {
		return nil, nil, nil
	}
	message, err := json.Marshal(r.Message)
	if err != nil {
		return nil, nil, err
	}
	return a.fits(c, r.Channel, r.Category, message)
}
