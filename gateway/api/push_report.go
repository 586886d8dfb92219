package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/picky"
)

// pushReport is what became of a push's numbers.
type pushReportAnswer struct {
	Project     string           `json:"project_id"` // the account's id
	ID          string           `json:"push_id"`
	Application int              `json:"application"` // number of the channel
	Type        picky.Kind       `json:"message_type"`
	Time        string           `json:"time"` // of the push, in UTC
	Data        []pushReportedTo `json:"data"`
}

type pushReportedTo struct {
	Number  string `json:"number"`
	ID      string `json:"msg_id"`
	Status  int    `json:"status"`
	Code    string `json:"error_code"`
	Message string `json:"error_message"`
}

// pushReport answers POST /app/api/v2/delivery-report: each row of a push once, in their order.
func (a *API) pushReport(c *call) error {
	c.changesNothing()
	body, err := a.enter(c, 0, "")
	if err != nil {
		return err
	}
	var asked struct {
		ID string `json:"push_id"`
	}
	if json.Unmarshal(body, &asked) != nil || asked.ID == "" || strings.Contains(asked.ID, "/") {
		return wrongField(fault.Unprocessable, "push_id", "required", "is the push_id that a push was answered with")
	}
	ref := broadcast.Ref{Account: c.account, ID: asked.ID}
	b, err := a.Broadcast.Broadcasts.Broadcast(c.ctx, ref)
	if err != nil {
		return err
	}
	if b == nil || b.Status == broadcast.Collecting || b.Audience > picky.MaxNumbers { // no push is as large, and all of its rows would stand in memory
		return fault.New(fault.NotFound, "not_found", "There is no such push, or it is no longer kept.")
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	said := pushReportAnswer{
		Project: c.account, ID: b.ID, Application: account.Numbers[b.Channel], Time: picky.Time(time.UnixMilli(b.Created)), Data: []pushReportedTo{},
	}
	if said.Type, err = a.kindOf(c, *b); err != nil {
		return err
	}
	rows := a.rowsOf(*b)
	if _, err := rows.counts(c.ctx); err != nil {
		return err
	}
	_, err = rows.each(c.ctx, walk{from: 1, batch: rowsAtOnce}, func(n int, row reportRow) error {
		one := pushReportedTo{Number: row.Given, ID: ref.MessageID(n), Status: picky.StatusOf(row.Status)}
		one.Code, one.Message = picky.Reason(row.Status, row.Error)
		said.Data = append(said.Data, one)
		return nil
	})
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, said)
}

// kindOf tells the kind of a push's message: where each row has its own, that of the first.
func (a *API) kindOf(c *call, b broadcast.Broadcast) (picky.Kind, error) {
	if raw, err := json.Marshal(b.Message); !b.Message.IsZero() && err == nil {
		return picky.KindOf(raw), nil
	}
	states, err := a.States.States(c.ctx, b.Rows().Shard(a.Shards), b.Rows().PageKey(0))
	if err != nil {
		return 0, err
	}
	var page broadcast.Page
	if states[0] == nil || json.Unmarshal(states[0], &page) != nil || len(page.Rows) == 0 {
		return picky.Text, nil
	}
	return picky.KindOf(page.Rows[0].Message), nil
}
