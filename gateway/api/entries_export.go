package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// entryRow is an entry in an export. Its columns are those that an import reads, and the source.
type entryRow struct {
	To      string    `json:"to"`
	Email   string    `json:"email"`
	Channel string    `json:"channel"`
	At      time.Time `json:"at"`
	Source  string    `json:"source"`
}

// exportPage is how many entries are read at once.
const exportPage = 10_000

// exportEntries streams every entry that is looked for, page after page, as CSV or NDJSON. Who comes or goes meanwhile may
// be in it or not; nobody else is missing or doubled. If it can't be read to its end, the connection is cut.
func (a *API) exportEntries(c *call, l optout.List, search optout.Search, format string) error {
	kind, rows := "text/csv; charset=utf-8", entriesCSV
	switch format {
	case "csv":
		c.rc.Response.Header.Set("Content-Disposition", `attachment; filename="optouts-`+l.ID+`.csv"`)
	case "ndjson":
		kind, rows = "application/x-ndjson", entriesNDJSON
	default:
		return wrongField(fault.Invalid, "format", "unknown_format", "is json, csv or ndjson")
	}
	account := c.account
	page, next, err := a.Entries.Entries(c.ctx, account, l.ID, search, "", exportPage)
	if err != nil {
		return err // while it can still be told
	}
	return c.stream(kind, func(ctx context.Context, w *bufio.Writer) error {
		write, end := rows(w)
		for {
			for _, one := range page {
				if err := write(exportedEntry(one)); err != nil {
					return err
				}
			}
			if next == "" {
				return end()
			}
			if page, next, err = a.Entries.Entries(ctx, account, l.ID, search, next, exportPage); err != nil {
				return fmt.Errorf("export of a list: %w", err)
			}
		}
	})
}

func exportedEntry(l optout.Listed) entryRow {
	row := entryRow{Channel: l.Channel, At: l.Since.UTC(), Source: l.Source}
	to, email := shown(l.Who)
	if to != nil {
		row.To = *to
	}
	if email != nil {
		row.Email = *email
	}
	return row
}

func entriesNDJSON(w *bufio.Writer) (write func(entryRow) error, end func() error) {
	encoder := json.NewEncoder(w)
	return func(row entryRow) error { return encoder.Encode(row) }, w.Flush
}

func entriesCSV(w *bufio.Writer) (write func(entryRow) error, end func() error) {
	rows := csv.NewWriter(w)
	end = func() error {
		rows.Flush()
		return rows.Error()
	}
	if err := rows.Write([]string{"to", "email", "channel", "at", "source"}); err != nil {
		return func(entryRow) error { return err }, end
	}
	return func(r entryRow) error {
		return rows.Write([]string{
			optout.Cell(r.To), optout.Cell(r.Email), optout.Cell(r.Channel), r.At.Format(time.RFC3339Nano), r.Source,
		})
	}, end
}
