package api

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// repeatRow is a recipient that was listed again, and so not sent to again.
type repeatRow struct {
	Line  int    `json:"line"`
	Given string `json:"given"`
	To    string `json:"to"`
	First int    `json:"first_line"`
}

func repeatSheet() sheet[repeatRow] {
	return sheet[repeatRow]{
		[]string{"line", "given", "to", "first_line"},
		func(r repeatRow) []string {
			return []string{strconv.Itoa(r.Line), optout.Cell(r.Given), optout.Cell(r.To), strconv.Itoa(r.First)}
		},
	}
}

func repeated(r broadcast.Repeat) repeatRow {
	row := repeatRow{Line: r.Line, Given: r.Given, First: cmp.Or(r.First, r.Of)}
	if r.To != "" {
		row.To = r.To.Shown()
	}
	return row
}

// listDuplicates answers GET /v1/broadcasts/{id}/duplicates: the recipients that were listed more than once, with their lines.
func (a *API) listDuplicates(c *call) error {
	write, kind, err := sheetOf(c, repeatSheet())
	if err != nil {
		return err
	}
	b, err := a.broadcastOf(c)
	if err != nil {
		return err
	}
	rows := a.rowsOf(*b)
	if write == nil {
		return pageDuplicates(c, rows, b.Audience)
	}
	return c.streamSheet("duplicates-"+b.ID, kind, func(ctx context.Context, w *bufio.Writer) error {
		row, end := write(w)
		if _, err := rows.repeats(ctx, 0, 0, func(_, _ int, r broadcast.Repeat) error { return row(repeated(r)) }); err != nil {
			return fmt.Errorf("duplicates: %w", err)
		}
		return end()
	})
}

// pageDuplicates gives one page of them. Its cursor is a page of the rows and how many duplicates of that page were given.
func pageDuplicates(c *call, rows reportRows, most int) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	page, passed := 0, 0
	if after != "" {
		of, n, _ := strings.Cut(after, ".")
		var wrong error
		page, err = strconv.Atoi(of)
		if passed, wrong = strconv.Atoi(n); err != nil || wrong != nil || page < 0 || passed < 0 || page > most {
			return wrongField(fault.Invalid, "after", "unknown_cursor", "is no cursor of these duplicates")
		}
	}
	data, cursor := []repeatRow{}, 0
	first := page
	next, err := rows.repeats(c.ctx, page, pagesOfCall, func(page, n int, r broadcast.Repeat) error {
		if page == first && n < passed {
			return nil
		}
		if len(data) == limit {
			cursor = n
			return errEnough
		}
		data = append(data, repeated(r))
		return nil
	})
	switch {
	case err != nil:
		return err
	case next < 0:
		return c.list(data, "")
	}
	return c.list(data, fmt.Sprintf("%d.%d", next, cursor))
}
