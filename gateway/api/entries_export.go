package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

// entryRow is an entry in an export. Its columns are those that an import reads, and the source.
type entryRow struct {
	To      string    `json:"to"`
	Email   string    `json:"email"`
	Channel string    `json:"channel"`
	At      time.Time `json:"at"`
	Source  string    `json:"source"`
	Note    string    `json:"note,omitempty"` // of the blacklist only, as By
	By      string    `json:"by,omitempty"`
}

// exportPage is how many entries are read at once.
const exportPage = 10_000

// exportEntries streams every entry that is looked for, page after page, as CSV or NDJSON. Who comes or goes meanwhile may
// be in it or not; nobody else is missing or doubled. If it can't be read to its end, the connection is cut.
func (a *API) exportEntries(c *call, l optout.List, search optout.Search, format string) error {
	kind, name := "text/csv; charset=utf-8", "optouts-"+l.ID
	rows := entriesCSV("to", "email", "channel", "at", "source")
	if l.ID == gate.Blacklist {
		name, rows = l.ID, entriesCSV("to", "email", "channel", "at", "source", "note", "by")
	}
	switch format {
	case "csv":
		c.rc.Response.Header.Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
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
	row := entryRow{Channel: l.Channel, At: l.Since.UTC(), Source: l.Source, Note: l.Note, By: l.By}
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

// entriesCSV writes entries in as many of their columns as have a title.
func entriesCSV(titles ...string) func(w *bufio.Writer) (write func(entryRow) error, end func() error) {
	return func(w *bufio.Writer) (write func(entryRow) error, end func() error) {
		rows := csv.NewWriter(w)
		end = func() error {
			rows.Flush()
			return rows.Error()
		}
		if err := rows.Write(titles); err != nil {
			return func(entryRow) error { return err }, end
		}
		return func(r entryRow) error {
			cells := []string{
				optout.Cell(r.To), optout.Cell(r.Email), optout.Cell(r.Channel), r.At.Format(time.RFC3339Nano), r.Source,
				optout.Cell(r.Note), optout.Cell(r.By),
			}
			return rows.Write(cells[:len(titles)])
		}, end
	}
}
