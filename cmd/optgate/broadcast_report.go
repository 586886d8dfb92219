package main

import (
	"context"
	"net/http"
	"net/url"
)

type broadcastReportCommand struct {
	broadcastArgument
	Status     []string `placeholder:"STATUS" help:"Only rows of these statuses, as Skipped."`
	Error      []string `sep:"none" placeholder:"ERROR" help:"Only rows with this error, as it stands in the report or by Meta's code alone. May be given several times."`
	List       []string `placeholder:"LIST" help:"Only rows that these lists bar."`
	Duplicates bool     `help:"The recipients that were listed again instead, with their lines."`
	Format     string   `short:"o" aliases:"output" enum:"table,json,csv,ndjson" default:"table" placeholder:"FORMAT" help:"How to print: table, csv, or ndjson, one object a line (also as json)."`
	To         string   `placeholder:"FILE" help:"Where to write csv or ndjson; else to standard output. A file that is there is not overwritten."`
	gatewayFlags
}

// Run prints the report: as a table with the totals before it, else the rows alone, as they come.
func (c *broadcastReportCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{"status": c.Status, "error": c.Error, "list": c.List}
	path, columns := c.path()+"/report", []string{"to", "status", "error", "list", "reason", "updated_at"}
	if c.Duplicates {
		query, path, columns = url.Values{}, c.path()+"/duplicates", []string{"line", "given", "to", "first_line"}
	}
	if c.Format == "table" && c.To == "" {
		var sent sentBroadcast
		if err := c.client().ask(ctx, http.MethodGet, c.path(), nil, nil, &sent); err != nil {
			return err
		}
		t.printf("%s\n\n", sent)
		return c.client().pages(ctx, path, query, outputFlags{Output: "table"}.printer(t, columns...).rows)
	}
	query.Set("format", exportFlags{c.Format}.format())
	answer, err := c.client().call(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	return save(t, c.To, answer)
}
