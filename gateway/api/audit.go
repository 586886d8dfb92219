package api

import (
	"context"
	"time"

	"optgate/pipeline/access"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// audits pages through what was changed by API, the newest first. after and next are cursors, "" for the beginning and the
// end. An account's audit is its own; that of "" is of what spans accounts.
type audits interface {
	Audit(ctx context.Context, account string, since time.Time, after string, limit int) (page []access.Entry, next string, err error)
}

// auditView is an entry of the audit as the API shows it.
type auditView struct {
	At       string            `json:"at"`
	Token    string            `json:"token"`
	Operator bool              `json:"by_operator"`
	Route    string            `json:"route"`
	What     map[string]string `json:"what"`
	Counts   map[string]int    `json:"counts"`
	Status   int               `json:"status"`
}

func viewNote(e access.Entry) auditView {
	v := auditView{
		At: instant(e.At), Token: e.Token, Operator: e.Operator, Route: e.Route, What: e.What, Counts: e.Counts, Status: e.Status,
	}
	if v.What == nil {
		v.What = map[string]string{}
	}
	if v.Counts == nil {
		v.Counts = map[string]int{}
	}
	return v
}

// listAudit answers GET /v1/audit?since=: what was changed by API, the newest first. An operator without ?account= sees what
// operators changed that concerns no account.
func (a *API) listAudit(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	if after != "" && !access.IsPlace(after) {
		return wrongField(fault.Invalid, "after", "bad_cursor", "is no cursor that a page gave as next")
	}
	var since time.Time
	if text := c.query("since"); text != "" {
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return wrongField(fault.Invalid, "since", "not_a_time", "is a time as 2026-11-22T10:00:00Z")
		}
	}
	account := ""
	if c.account != "" || c.query("account") != "" {
		if account, err = a.governed(c); err != nil {
			return err
		}
	}
	if after == "" {
		a.comeUp(c.ctx, a.Shards.Account(account))
	}
	page, next, err := a.Audits.Audit(c.ctx, account, since, after, limit)
	if err != nil {
		return err
	}
	views := make([]auditView, len(page))
	for i, e := range page {
		views[i] = viewNote(e)
	}
	return c.list(views, next)
}

// comeUp waits until a shard has decided what was kept before, so that whoever was told of a change finds it. It gives up after
// a while: what there is then is shown.
func (a *API) comeUp(ctx context.Context, at int) {
	ctx, cancel := context.WithTimeout(ctx, decisionTime)
	defer cancel()
	_, end, err := a.Topics.Ends(ctx, stream.Commands, at)
	if err != nil || end == 0 {
		return
	}
	_, _ = a.decided(ctx, at, end-1, "") // nobody asks what was said
}
