package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
)

// audiences reads audiences; fault.NotCertain where nobody can know.
type audiences interface {
	// Audience gives nil where there is none; one that is not whole too.
	Audience(ctx context.Context, r broadcast.Ref) (*broadcast.Audience, error)
	// Audiences gives an account's that are whole, the newest first.
	Audiences(ctx context.Context, account, after string, limit int) (page []broadcast.Audience, next string, err error)
}

// createAudience takes a file of recipients in, as it arrives. It answers once all of it is kept; of a file that breaks off nobody
// sees anything.
func (a *API) createAudience(c *call) error {
	channel, known := a.Directory.Channel(c.account, c.query("channel"))
	switch {
	case !known:
		return wrongFields([]fault.Field{unknownChannel(c.query("channel"))})
	case channel.Kind != chat.WhatsApp:
		return wrongField(fault.Unprocessable, "channel", "unsupported_channel", "can't send: only WhatsApp channels can")
	}
	key, err := c.idempotency()
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	done, err := a.importing.begin(c.account)
	if err != nil {
		return err
	}
	defer done()
	file, err := c.file()
	if err != nil {
		return err
	}
	ctx, stop := file.Context(c.base)
	defer stop()
	order := broadcast.Upload{ID: broadcast.AudienceID(account.Key, key, chance()), Again: key != "", Account: account, Channel: channel}
	if err := a.audiencesFit(c, order); err != nil {
		return err
	}
	made, err := a.takeAudience(ctx, order, c, file)
	c.afresh()
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return fault.Wrap(err, fault.Unavailable, "stopping", "The gateway stops. Send the file again, under the same Idempotency-Key.")
	}
	if err != nil {
		return err
	}
	c.rc.Response.Header.Set("Location", "/v1/audiences/"+made.ID)
	return c.answer(http.StatusCreated, viewAudience(made))
}

// audiencesFit refuses an audience more where an account keeps as much as it may. One that is there may be sent again.
func (a *API) audiencesFit(c *call, o broadcast.Upload) error {
	known, err := a.Audiences.Audience(c.ctx, broadcast.Ref{Account: c.account, ID: o.ID})
	if err != nil || known != nil && known.Status == broadcast.Ready {
		return err
	}
	all, next, err := a.Audiences.Audiences(c.ctx, c.account, "", broadcast.MaxAudiences)
	if err != nil {
		return err
	}
	rows := 0
	for _, one := range all {
		rows += one.Rows
	}
	if next != "" || len(all) >= broadcast.MaxAudiences || rows >= broadcast.MaxKept {
		return fault.New(fault.Unprocessable, "too_many_audiences",
			"The account keeps %d audiences of %d rows: delete those that are no longer needed.", len(all), rows)
	}
	return nil
}

func (a *API) takeAudience(ctx context.Context, o broadcast.Upload, c *call, file upload) (broadcast.Audience, error) {
	lines, err := broadcast.OpenLines(c.header("Content-Type"), file)
	if err != nil {
		return broadcast.Audience{}, err
	}
	u := broadcast.Uploader{Shards: a.Shards, Publisher: a.Publisher, States: a.States, Answers: a.Answers, Now: a.Now}
	return u.Take(ctx, o, lines)
}

// listAudiences answers GET /v1/audiences.
func (a *API) listAudiences(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	page, next, err := a.Audiences.Audiences(c.ctx, c.account, after, limit)
	if err != nil {
		return err
	}
	views := make([]audienceView, len(page))
	for i, one := range page {
		views[i] = viewAudience(one)
	}
	return c.list(views, next)
}

// showAudience answers GET /v1/audiences/{id}.
func (a *API) showAudience(c *call) error {
	found, err := a.audienceOf(c)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, viewAudience(*found))
}

// deleteAudience answers DELETE /v1/audiences/{id}: nobody can use the audience any more, and its rows go in a while.
func (a *API) deleteAudience(c *call) error {
	found, err := a.audienceOf(c)
	if err != nil {
		return err
	}
	command, err := broadcast.AudienceDelete(found.Ref(), chance(), a.Now().UnixMilli())
	if err != nil {
		return err
	}
	if _, err := a.decide(c.ctx, found.Ref().Shard(a.Shards), command); err != nil {
		return err
	}
	c.rc.SetStatusCode(http.StatusNoContent)
	return nil
}

// audienceOf finds the audience that a path names. Another account's is not there.
func (a *API) audienceOf(c *call) (*broadcast.Audience, error) {
	found, err := a.Audiences.Audience(c.ctx, broadcast.Ref{Account: c.account, ID: c.param("id")})
	if err != nil {
		return nil, err
	}
	if found == nil || found.Status != broadcast.Ready {
		return nil, fault.New(fault.NotFound, broadcast.CodeNoAudience, "There is no such audience, or it was forgotten: one that no broadcast uses is, after 7 days.")
	}
	return found, nil
}

// streamRefusedLines answers GET /v1/audiences/{id}/refused with all lines that could not be read as a row, as CSV or NDJSON.
func (a *API) streamRefusedLines(c *call) error {
	found, err := a.audienceOf(c)
	if err != nil {
		return err
	}
	return c.streamRefusals("audience-"+found.ID, func(ctx context.Context, each func(csvfile.Refusal) error) error {
		return a.refusedLines(ctx, *found, each)
	})
}

// refusedLines gives the refused lines of an audience, in their order.
func (a *API) refusedLines(ctx context.Context, of broadcast.Audience, each func(csvfile.Refusal) error) error {
	for n, told := 0, 0; n < len(of.Pages) && told < of.Refused; n++ {
		raw, err := a.States.States(ctx, of.Ref().Shard(a.Shards), of.Ref().PageKey(n))
		if err != nil {
			return err
		}
		var page broadcast.Page
		if err := json.Unmarshal(raw[0], &page); err != nil {
			return fmt.Errorf("page %d of an audience: %w", n, err)
		}
		for _, r := range page.Refused {
			if err := each(r); err != nil {
				return err
			}
			told++
		}
	}
	return nil
}

// audienceView is an audience as the API shows it.
type audienceView struct {
	ID         string            `json:"id"`
	Channel    string            `json:"channel"`
	Rows       int               `json:"rows"`
	Recipients int               `json:"recipients"`
	Duplicates int               `json:"duplicates"`
	Invalid    int               `json:"invalid"`
	Refused    int               `json:"refused"`
	Columns    []string          `json:"columns"`
	Lines      []csvfile.Refusal `json:"refused_lines"` // the first of them
	Uses       int               `json:"used_by"`       // broadcasts
	Created    string            `json:"created_at"`
}

func viewAudience(a broadcast.Audience) audienceView {
	return audienceView{
		ID: a.ID, Channel: a.Channel, Rows: a.Rows, Recipients: a.Recipients, Duplicates: a.Duplicates, Invalid: a.Invalid, Refused: a.Refused,
		Columns: append([]string{}, a.Columns...), Lines: append([]csvfile.Refusal{}, a.First...), Uses: len(a.Uses), Created: instant(a.Created),
	}
}
