package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"strconv"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// sheet says how a row stands in a CSV: names of columns, and the cells below them.
type sheet[T any] struct {
	columns []string
	cells   func(T) []string
}

func reportSheet() sheet[reportRow] {
	return sheet[reportRow]{
		[]string{
			"to", "given", "status", "error", "list", "reason", "message_id", "updated_at",
			"line", "sent_at", "delivered_at", "read_at", "failed_at",
		},
		func(r reportRow) []string {
			return []string{
				optout.Cell(r.To), optout.Cell(r.Given), string(r.Status), optout.Cell(r.Error), optout.Cell(r.List), optout.Cell(r.Reason),
				optout.Cell(r.MessageID), r.Updated, strconv.Itoa(r.Line), r.Sent, r.Delivered, r.Read, r.Failed,
			}
		},
	}
}

// writeRows begins to write rows: row writes one, end what is still held back.
type writeRows[T any] func(w *bufio.Writer) (row func(T) error, end func() error)

// sheetOf gives what writes the rows of ?format=csv|ndjson, and its content type; nil for json, the default.
func sheetOf[T any](c *call, s sheet[T]) (write writeRows[T], kind string, err error) {
	switch c.query("format") {
	case "", "json":
		return nil, "", nil
	case "csv":
		return s.csv, "text/csv; charset=utf-8", nil
	case "ndjson":
		return s.ndjson, "application/x-ndjson", nil
	}
	return nil, "", wrongField(fault.Invalid, "format", "unknown_format", "is json, csv or ndjson")
}

// streamSheet answers with rows; a CSV is offered as a file of this name.
func (c *call) streamSheet(name, kind string, write func(ctx context.Context, w *bufio.Writer) error) error {
	if kind != "application/x-ndjson" {
		c.rc.Response.Header.Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	}
	return c.stream(kind, write)
}

func (s sheet[T]) ndjson(w *bufio.Writer) (func(T) error, func() error) {
	encoder := json.NewEncoder(w)
	return func(row T) error { return encoder.Encode(row) }, w.Flush
}

func (s sheet[T]) csv(w *bufio.Writer) (func(T) error, func() error) {
	rows := csv.NewWriter(w)
	end := func() error {
		rows.Flush()
		return rows.Error()
	}
	if err := rows.Write(s.columns); err != nil {
		return func(T) error { return err }, end
	}
	return func(row T) error { return rows.Write(s.cells(row)) }, end
}
