package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"optgate/pipeline/fault"
	"optgate/pipeline/imports"
)

// importRows is how many refused rows an answer shows at most.
const importRows = 10_000

// showImport answers GET /v1/imports/{id}: how far it is, with a page of its refused rows.
func (a *API) showImport(c *call) error {
	limit, from := importRows, 0
	var err error
	if text := c.query("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > importRows {
			return wrongField(fault.Invalid, "limit", "out_of_range", "is a number from 1 to 10000")
		}
	}
	if text := c.query("after"); text != "" {
		if from, err = strconv.Atoi(text); err != nil || from < 0 {
			return wrongField(fault.Invalid, "after", "bad_cursor", "is no cursor that a page gave as next")
		}
	}
	i, err := a.importOf(c)
	if err != nil {
		return err
	}
	rows := []imports.Refusal{}
	err = a.refusedOf(c.ctx, *i, from, min(from+limit, i.Refused), func(r imports.Refusal) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		return err
	}
	view := viewImport(*i)
	view.Rows = &rows
	if to := from + len(rows); len(rows) > 0 && to < i.Refused {
		view.Next = some(strconv.Itoa(to))
	}
	return c.answer(http.StatusOK, view)
}

// streamRefused answers GET /v1/imports/{id}/refused with all refused rows, as CSV or NDJSON.
func (a *API) streamRefused(c *call) error {
	format, kind := c.query("format"), "text/csv; charset=utf-8"
	switch format {
	case "", "csv":
		format = "csv"
	case "ndjson":
		kind = "application/x-ndjson"
	default:
		return wrongField(fault.Invalid, "format", "unknown_format", "is csv or ndjson")
	}
	i, err := a.importOf(c)
	if err != nil {
		return err
	}
	c.rc.Response.Header.Set("Content-Disposition", `attachment; filename="import-`+i.ID+`-refused.`+format+`"`)
	return c.stream(kind, func(ctx context.Context, w *bufio.Writer) error {
		lines, objects := csv.NewWriter(w), json.NewEncoder(w)
		each := func(r imports.Refusal) error { return objects.Encode(r) }
		if format == "csv" {
			each = func(r imports.Refusal) error { return lines.Write([]string{strconv.Itoa(r.Line), r.Reason}) }
			if err := lines.Write([]string{"line", "reason"}); err != nil {
				return err
			}
		}
		if err := a.refusedOf(ctx, *i, 0, i.Refused, each); err != nil {
			return err
		}
		lines.Flush()
		return lines.Error()
	})
}

// refusedOf reads refused rows by their numbers, from 0.
func (a *API) refusedOf(ctx context.Context, i imports.Import, from, to int, each func(imports.Refusal) error) error {
	for n := from / imports.RefusedPerPage; n*imports.RefusedPerPage < to; n++ {
		raw, err := a.States.States(ctx, i.Ref().Shard(a.Shards), i.Ref().PageKey(n))
		if err != nil {
			return err
		}
		if raw[0] == nil {
			return fault.New(fault.NotFound, "unknown_import", "The rows of this import are no longer kept.")
		}
		var page imports.Page
		if err := json.Unmarshal(raw[0], &page); err != nil {
			return fmt.Errorf("refused rows of an import: %w", err)
		}
		for at, row := range page.Refusals() {
			if number := n*imports.RefusedPerPage + at; number < from || number >= to {
				continue
			}
			if err := each(row); err != nil {
				return err
			}
		}
	}
	return nil
}
