package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// reportPage is one page of a report.
type reportPage struct {
	Data  []reportRow `json:"data"`
	Next  *string     `json:"next"`
	Total int         `json:"total"` // rows that fit, on whichever page
}

// reportBroadcast gives a broadcast's rows: as a paged list, or all of them as a stream of CSV or NDJSON.
func (a *API) reportBroadcast(c *call) error {
	filter, err := c.rowFilter()
	if err != nil {
		return err
	}
	write, kind, err := sheetOf(c, reportSheet())
	if err != nil {
		return err
	}
	b, err := a.broadcastOf(c)
	if err != nil {
		return err
	}
	if write == nil {
		return a.pageReport(c, *b, filter)
	}
	rows := a.rowsOf(*b)
	if _, err := rows.counts(c.ctx); err != nil {
		return err // while it can still be told
	}
	return c.streamSheet("broadcast-"+b.ID, kind, func(ctx context.Context, w *bufio.Writer) error {
		row, end := write(w)
		if _, err := rows.each(ctx, walk{filter: filter, from: 1, batch: rowsAtOnce}, func(_ int, r reportRow) error { return row(r) }); err != nil {
			return fmt.Errorf("report: %w", err)
		}
		return end()
	})
}

// errEnough ends a walk before the row that it is given for.
var errEnough = errors.New("enough rows")

func (a *API) pageReport(c *call, b broadcast.Broadcast, filter broadcast.Filter) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	w := walk{filter: filter, from: 1, batch: limit + 1, pages: pagesOfCall}
	if after != "" {
		n, err := strconv.Atoi(after)
		if err != nil || n < 0 || n > b.Audience {
			return wrongField(fault.Invalid, "after", "unknown_cursor", "is no cursor of this report")
		}
		w.from = n + 1
	}
	rows := a.rowsOf(b)
	counts, err := rows.counts(c.ctx)
	if err != nil {
		return err
	}
	page := reportPage{Data: []reportRow{}, Total: filter.Matching(b.Audience, counts)}
	next, err := rows.each(c.ctx, w, func(_ int, row reportRow) error {
		if len(page.Data) == limit {
			return errEnough
		}
		page.Data = append(page.Data, row)
		return nil
	})
	if err != nil {
		return err
	}
	if next > 0 {
		cursor := strconv.Itoa(next - 1)
		page.Next = &cursor
	}
	return c.answer(200, page)
}

// rowFilter gives ?status=, ?error= and ?list=, each several times or with commas; none: all rows.
func (c *call) rowFilter() (f broadcast.Filter, err error) {
	for _, name := range c.several("status") {
		status := chat.Status(name)
		if status != chat.Queued && status.Rank() == 0 {
			return f, wrongField(fault.Invalid, "status", "unknown_status",
				"is Queued, Skipped, Sent, Delivered, Read, Failed, Unknown, Cancelled or Expired")
		}
		f.Statuses = append(f.Statuses, status)
	}
	f.Lists = c.several("list")
	f.Errors = c.several("error")
	for _, whole := range c.rc.QueryArgs().PeekMulti("error") { // a text of Meta's may hold commas
		if text := string(whole); strings.Contains(text, ",") {
			f.Errors = append(f.Errors, text)
		}
	}
	return f, nil
}

// several gives all values of a parameter of the query, which stands there several times or with commas.
func (c *call) several(name string) (values []string) {
	for _, given := range c.rc.QueryArgs().PeekMulti(name) {
		for value := range strings.SplitSeq(string(given), ",") {
			if value = strings.TrimSpace(value); value != "" && !slices.Contains(values, value) {
				values = append(values, value)
			}
		}
	}
	return values
}
