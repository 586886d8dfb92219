package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// reportRow is one recipient in a report.
type reportRow struct {
	To        string      `json:"to"`
	Given     string      `json:"given"`
	Status    chat.Status `json:"status"`
	Error     string      `json:"error"`
	List      string      `json:"list"`
	Reason    string      `json:"reason"`
	MessageID string      `json:"message_id"`
	Updated   string      `json:"updated_at"`
}

// reportBroadcast gives a broadcast's rows: as a paged list, or all of them as a stream of CSV or NDJSON.
func (a *API) reportBroadcast(c *call) error {
	wanted, err := c.statuses()
	if err != nil {
		return err
	}
	b, err := a.broadcastOf(c)
	if err != nil {
		return err
	}
	switch c.query("format") {
	case "", "json":
		return a.pageReport(c, *b, wanted)
	case "csv":
		c.rc.Response.Header.Set("Content-Disposition", `attachment; filename="broadcast-`+b.ID+`.csv"`)
		return a.streamReport(c, *b, wanted, "text/csv; charset=utf-8", writeCSV)
	case "ndjson":
		return a.streamReport(c, *b, wanted, "application/x-ndjson", writeNDJSON)
	}
	return wrongField(fault.Invalid, "format", "unknown_format", "is json, csv or ndjson")
}

// statuses gives ?status=, one or several with commas; none: all.
func (c *call) statuses() (wanted []chat.Status, err error) {
	if c.query("status") == "" {
		return nil, nil
	}
	for name := range strings.SplitSeq(c.query("status"), ",") {
		status := chat.Status(name)
		if status != chat.Queued && status.Rank() == 0 {
			return nil, wrongField(fault.Invalid, "status", "unknown_status",
				"is Queued, Skipped, Sent, Delivered, Read, Failed, Unknown, Cancelled or Expired")
		}
		wanted = append(wanted, status)
	}
	return wanted, nil
}

func (a *API) pageReport(c *call, b broadcast.Broadcast, wanted []chat.Status) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	from := 1
	if after != "" {
		n, err := strconv.Atoi(after)
		if err != nil || n < 0 || n > b.Audience {
			return wrongField(fault.Invalid, "after", "unknown_cursor", "is no cursor of this report")
		}
		from = n + 1
	}
	data, last, more := []reportRow{}, 0, false
	err = a.eachRow(c.ctx, b, from, wanted, func(n int, row reportRow) error {
		if len(data) == limit {
			more = true
			return errEnough
		}
		data, last = append(data, row), n
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	next := ""
	if more {
		next = strconv.Itoa(last)
	}
	return c.list(data, next)
}

var errEnough = errors.New("enough rows")

type writeRows func(w *bufio.Writer) (write func(reportRow) error, end func() error)

func (a *API) streamReport(c *call, b broadcast.Broadcast, wanted []chat.Status, kind string, rows writeRows) error {
	if _, err := a.Broadcast.Rows.RowTotals(c.ctx, b); err != nil {
		return err // while it can still be told
	}
	return c.stream(kind, func(ctx context.Context, w *bufio.Writer) error {
		write, end := rows(w)
		if err := a.eachRow(ctx, b, 1, wanted, func(_ int, row reportRow) error { return write(row) }); err != nil {
			return fmt.Errorf("report: %w", err)
		}
		return end()
	})
}

// eachRow reads rows from a number on, page by page, and hands on those of the wanted statuses.
func (a *API) eachRow(ctx context.Context, b broadcast.Broadcast, from int, wanted []chat.Status, each func(n int, row reportRow) error) error {
	at := b.Ref().Shard(a.Shards)
	first, _ := b.Find(from)
	for n := first; n < len(b.Pages); n++ {
		states, err := a.States.States(ctx, at, b.Ref().PageKey(n))
		if err != nil {
			return err
		}
		var page broadcast.Page
		if states[0] == nil || json.Unmarshal(states[0], &page) != nil {
			return fault.New(fault.NotFound, "not_found", "The rows of this broadcast are no longer kept.")
		}
		page.Rows = slices.DeleteFunc(page.Rows, func(r broadcast.Row) bool { return r.N < from })
		numbers := make([]int, len(page.Rows))
		for i, r := range page.Rows {
			numbers[i] = r.N
		}
		facts, err := a.Broadcast.Rows.Rows(ctx, b, numbers)
		if err != nil {
			return err
		}
		for i, r := range page.Rows {
			row := reported(b, r, facts[i])
			if len(wanted) > 0 && !slices.Contains(wanted, row.Status) {
				continue
			}
			if err := each(r.N, row); err != nil {
				return err
			}
		}
	}
	return nil
}

func reported(b broadcast.Broadcast, r broadcast.Row, f chat.Fact) reportRow {
	row := reportRow{
		Given: r.Given, Status: f.Status, Error: f.Error, List: f.List, Reason: f.Reason, MessageID: f.MessageID, Updated: instant(f.At),
	}
	if r.To != "" {
		row.To = r.To.Shown()
	}
	if f.Status == "" {
		row.Status, row.Updated = chat.Queued, instant(b.Created)
	}
	return row
}

func writeNDJSON(w *bufio.Writer) (func(reportRow) error, func() error) {
	encoder := json.NewEncoder(w)
	return func(row reportRow) error { return encoder.Encode(row) }, w.Flush
}

func writeCSV(w *bufio.Writer) (func(reportRow) error, func() error) {
	rows := csv.NewWriter(w)
	end := func() error {
		rows.Flush()
		return rows.Error()
	}
	names := []string{"to", "given", "status", "error", "list", "reason", "message_id", "updated_at"}
	if err := rows.Write(names); err != nil {
		return func(reportRow) error { return err }, end
	}
	return func(r reportRow) error {
		return rows.Write([]string{
			optout.Cell(r.To), optout.Cell(r.Given), string(r.Status), optout.Cell(r.Error), optout.Cell(r.List), optout.Cell(r.Reason), optout.Cell(r.MessageID), r.Updated,
		})
	}, end
}
