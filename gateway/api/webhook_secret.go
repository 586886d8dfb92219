package api

import (
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// shownAnswer is how much of a receiver's answer a test shows, in bytes.
const shownAnswer = 1 << 10

// testDelivery answers POST /v1/optout-lists/{list}/deliveries/test: a sample is posted to the list's webhook URL now, signed
// as all posts are, and what came back is told. Nothing is kept.
func (a *API) testDelivery(c *call) error {
	c.changesNothing()
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	if l.WebhookURL == "" {
		return noWebhookURL()
	}
	trial, err := a.Feed.Try(c.ctx, account, l, "test-"+chance(), a.Now)
	if err != nil {
		return err
	}
	answer := struct {
		ID        string  `json:"id"` // the post's webhook-id
		Delivered bool    `json:"delivered"`
		TookMS    int64   `json:"took_ms"`
		Status    *int    `json:"status"` // of HTTP; null: there was no answer
		Error     *string `json:"error"`
		Detail    *string `json:"detail"` // of the error, for people
		Answer    string  `json:"answer"` // the first 1,024 bytes of the receiver's
	}{ID: trial.ID, TookMS: trial.Attempt.Took}
	seen := viewAttempt(trial.Attempt)
	answer.Status, answer.Error, answer.Delivered = seen.Status, seen.Error, seen.Error == nil
	if trial.Detail != "" {
		answer.Detail = &trial.Detail
	}
	answer.Answer = strings.ToValidUTF8(string(trial.Answer[:min(len(trial.Answer), shownAnswer)]), "�")
	return c.answer(fasthttp.StatusOK, answer)
}

func noWebhookURL() error {
	return fault.New(fault.Unprocessable, "no_webhook_url", "This list has no webhook URL. Give it one first.")
}

// secretView is what a receiver needs to know who posts.
type secretView struct {
	Secret      string     `json:"secret"`       // as Standard Webhooks writes it: whsec_…
	Former      *string    `json:"former"`       // signs beside it for a day after a change
	FormerUntil *time.Time `json:"former_until"` //
}

func (a *API) viewSecret(account optout.Account, l optout.List) secretView {
	secrets := l.FeedSecrets(account.Key, a.Now())
	v := secretView{Secret: secrets[0]}
	if len(secrets) > 1 {
		until := atMS(l.SecretAt).Add(optout.FormerSecretTime)
		v.Former, v.FormerUntil = &secrets[1], &until
	}
	return v
}

// showFeedSecret answers GET /v1/optout-lists/{list}/webhook-secret.
func (a *API) showFeedSecret(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	return c.answer(fasthttp.StatusOK, a.viewSecret(account, l))
}

// turnFeedSecret answers POST /v1/optout-lists/{list}/webhook-secret: posts get another secret, and for a day the former one
// signs too.
func (a *API) turnFeedSecret(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	id, _, err := a.once(c, account, nil)
	if err != nil {
		return err
	}
	command := id + ".secret"
	record, err := optout.NewSecret{List: l.ID}.Record(a.Shards, command, account.ID, a.Now().UnixMilli())
	if err != nil {
		return err
	}
	if err := a.Publisher.Publish(c.ctx, record); err != nil {
		return notKept(err)
	}
	answer, err := a.decided(c.ctx, record.Partition, record.Offset, command)
	if err != nil || answer == nil {
		return orAccepted(c, id, err)
	}
	turned, err := valueOf[optout.SecretTurned](answer)
	if err != nil {
		return err
	}
	l.Secret, l.SecretAt = turned.Turn, turned.At
	return c.answer(fasthttp.StatusOK, a.viewSecret(account, l))
}
