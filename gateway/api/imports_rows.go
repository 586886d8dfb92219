package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"optgate/pipeline/csvfile"
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
	rows := []csvfile.Refusal{}
	err = a.refusedOf(c.ctx, *i, from, min(from+limit, i.Refused), func(r csvfile.Refusal) error {
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
	i, err := a.importOf(c)
	if err != nil {
		return err
	}
	return c.streamRefusals("import-"+i.ID, func(ctx context.Context, each func(csvfile.Refusal) error) error {
		return a.refusedOf(ctx, *i, 0, i.Refused, each)
	})
}

// refusedOf reads refused rows by their numbers, from 0.
func (a *API) refusedOf(ctx context.Context, i imports.Import, from, to int, each func(csvfile.Refusal) error) error {
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
