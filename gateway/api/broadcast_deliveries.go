package api

import (
	"encoding/json"
	"time"

	"optgate/pipeline/feed"
)

// noticeView is what a broadcast's webhook URL was told, or is to be.
type noticeView struct {
	ID       string        `json:"id"` // the webhook-id of its posts
	Status   string        `json:"status"`
	Event    string        `json:"event"` // as broadcast.paused
	At       time.Time     `json:"at"`    // of the change
	Tries    int           `json:"tries"`
	NextAt   *time.Time    `json:"next_at"` // of the next attempt; null: there is none
	EndedAt  *time.Time    `json:"ended_at"`
	Error    *string       `json:"error"` // of the last attempt, or why it was given up
	KeptTill *time.Time    `json:"kept_until"`
	Attempts []attemptView `json:"attempts"` // the last ones, the oldest first
}

func viewNotice(d *feed.Delivery) noticeView {
	same := viewDelivery(d)
	v := noticeView{
		ID: same.ID, Status: same.Status, At: same.At, Tries: same.Tries, NextAt: same.NextAt, EndedAt: same.EndedAt,
		Error: same.Error, KeptTill: same.KeptTill, Attempts: make([]attemptView, len(d.Attempts)),
	}
	if d.Notice != nil {
		var body struct {
			Event string `json:"event"`
		}
		if json.Unmarshal(d.Notice.Body, &body) == nil {
			v.Event = body.Event
		}
	}
	for i, t := range d.Attempts {
		v.Attempts[i] = viewAttempt(t)
	}
	return v
}

// listNotices answers GET /v1/broadcasts/{id}/deliveries: what its webhook URL was told, the latest changes first.
func (a *API) listNotices(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	statuses, err := c.deliveryStatuses()
	if err != nil {
		return err
	}
	b, err := a.broadcastOf(c)
	if err != nil {
		return err
	}
	list := feed.List{Account: c.account, ID: b.Ref().FeedList()}
	page, next, err := a.Feed.Deliveries.Deliveries(c.ctx, list, statuses, after, limit)
	if err != nil {
		return err
	}
	views := make([]noticeView, len(page))
	for i := range page {
		views[i] = viewNotice(&page[i])
	}
	return c.list(views, next)
}
