package api

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
	"optgate/pipeline/feed"
	"optgate/pipeline/optout"
)

// FeedOptions is what the routes about webhook URLs of lists stand on.
type FeedOptions struct {
	Deliveries deliveries
	// Try posts a sample to a list's webhook URL now.
	Try func(ctx context.Context, a optout.Account, l optout.List, id string, now func() time.Time) (feed.Trial, error)
}

// deliveries reads deliveries; fault.NotCertain where nobody can know.
type deliveries interface {
	Deliveries(ctx context.Context, l feed.List, statuses []feed.Status, after string, limit int) (page []feed.Delivery, next string, err error)
	Delivery(ctx context.Context, r feed.Ref) (*feed.Delivery, error)
}

// deliveryView is a delivery in a list.
type deliveryView struct {
	ID       string     `json:"id"` // the webhook-id of its posts
	Status   string     `json:"status"`
	Action   string     `json:"action"` // optout or optin
	To       *string    `json:"to"`
	Email    *string    `json:"email"`
	Channel  string     `json:"channel"`
	Source   string     `json:"source"`
	At       time.Time  `json:"at"`      // of what was said
	MadeAt   time.Time  `json:"made_at"` // of the change
	Tries    int        `json:"tries"`
	NextAt   *time.Time `json:"next_at"` // of the next attempt; null: there is none
	EndedAt  *time.Time `json:"ended_at"`
	Error    *string    `json:"error"` // of the last attempt, or why it was given up
	KeptTill *time.Time `json:"kept_until"`
}

func viewDelivery(d *feed.Delivery) deliveryView {
	v := deliveryView{
		ID: d.ID, Status: string(d.Status), Action: feed.ActionOptin, Channel: d.Channel, Source: d.Source,
		At: atMS(d.At), MadeAt: atMS(d.Made), Tries: d.Tries,
	}
	if d.Out {
		v.Action = feed.ActionOptout
	}
	v.To, v.Email = shown(d.Who)
	wrong := d.Error
	if wrong == "" && len(d.Attempts) > 0 {
		wrong = d.Attempts[len(d.Attempts)-1].Error
	}
	if wrong != "" {
		v.Error = &wrong
	}
	if d.Status == feed.Pending {
		next := atMS(d.Next)
		v.NextAt = &next
	} else {
		ended, kept := atMS(d.Done), atMS(d.KeptUntil())
		v.EndedAt, v.KeptTill = &ended, &kept
	}
	return v
}

func atMS(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// listDeliveries answers GET /v1/optout-lists/{list}/deliveries: those of the latest changes first.
func (a *API) listDeliveries(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	statuses, err := c.deliveryStatuses()
	if err != nil {
		return err
	}
	_, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	page, next, err := a.Feed.Deliveries.Deliveries(c.ctx, feed.List{Account: c.account, ID: l.ID}, statuses, after, limit)
	if err != nil {
		return err
	}
	views := make([]deliveryView, len(page))
	for i := range page {
		views[i] = viewDelivery(&page[i])
	}
	return c.list(views, next)
}

// deliveryStatuses reads ?status=, one or several with commas between; all where it is missing.
func (c *call) deliveryStatuses() (wanted []feed.Status, err error) {
	text := c.query("status")
	if text == "" {
		return feed.Statuses(), nil
	}
	for name := range strings.SplitSeq(text, ",") {
		status, err := deliveryStatus("status", name)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, status)
	}
	return wanted, nil
}

func deliveryStatus(field, name string) (feed.Status, error) {
	for _, status := range feed.Statuses() {
		if string(status) == name {
			return status, nil
		}
	}
	return "", wrongField(fault.Invalid, field, "unknown_status", "is pending, delivered, dead or dropped")
}

// attemptView is one call.
type attemptView struct {
	At     time.Time `json:"at"`
	TookMS int64     `json:"took_ms"`
	Status *int      `json:"status"` // of HTTP; null: there was no answer
	Error  *string   `json:"error"`  // null: it was delivered
}

func viewAttempt(t feed.Attempt) attemptView {
	v := attemptView{At: atMS(t.At), TookMS: t.Took}
	if t.Status != 0 {
		v.Status = &t.Status
	}
	if t.Error != "" {
		v.Error = &t.Error
	}
	return v
}

// showDelivery answers GET /v1/optout-lists/{list}/deliveries/{id}: with its attempts, and the body as it is posted.
func (a *API) showDelivery(c *call) error {
	account, l, d, err := a.deliveryOf(c)
	if err != nil {
		return err
	}
	body, err := d.Body(account, l)
	if err != nil {
		return err
	}
	attempts := make([]attemptView, len(d.Attempts))
	for i, t := range d.Attempts {
		attempts[i] = viewAttempt(t)
	}
	return c.answer(fasthttp.StatusOK, struct {
		deliveryView
		Attempts []attemptView   `json:"attempts"` // the last ones, the oldest first
		Body     json.RawMessage `json:"body"`
	}{viewDelivery(d), attempts, body})
}

// deliveryOf gives the delivery that a path names, with its list.
func (a *API) deliveryOf(c *call) (optout.Account, optout.List, *feed.Delivery, error) {
	account, l, err := a.listOf(c)
	if err != nil {
		return account, l, nil, err
	}
	d, err := a.Feed.Deliveries.Delivery(c.ctx, feed.Ref{Account: c.account, ID: c.param("id")})
	if err == nil && (d == nil || d.List != l.ID) {
		err = fault.New(fault.NotFound, "unknown_delivery", "There is no delivery with this id on this list. Those that are done are kept for 7 days, dead ones for 28.")
	}
	return account, l, d, err
}
