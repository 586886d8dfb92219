package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
)

type listsExportCommand struct {
	listArgument
	searchFlags
	exportFlags
	To string `placeholder:"FILE" help:"Where to write; else to standard output. A file that is there is not overwritten."`
	gatewayFlags
}

// exportFlags say how an export is written. What other commands call table and json are its csv and ndjson.
type exportFlags struct {
	Format string `short:"o" aliases:"output" enum:"csv,ndjson,table,json" default:"csv" placeholder:"FORMAT" help:"csv, or ndjson: one object a line (also as table or json)."`
}

func (f exportFlags) format() string {
	switch f.Format {
	case "table":
		return "csv"
	case "json":
		return "ndjson"
	}
	return f.Format
}

// Run writes everybody on a list, as they come. A file that could not be written to its end is removed.
func (c *listsExportCommand) Run(ctx context.Context, t terminal) error {
	query := c.query()
	query.Set("format", c.format())
	answer, err := c.client().call(ctx, http.MethodGet, c.path()+"/entries", query, nil)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	return save(t, c.To, answer)
}

// save writes what is streamed to a new file, or where none is named to the output.
func save(t terminal, to string, from io.Reader) error {
	if to == "" {
		return whole(io.Copy(t.out, from))
	}
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	err = whole(io.Copy(file, from))
	if wrong := file.Close(); err == nil {
		err = wrong
	}
	if err != nil {
		_ = os.Remove(to) // half an export must not pass for one
	}
	return err
}

func whole(_ int64, err error) error {
	if err != nil {
		return fmt.Errorf("the export broke off, and is not whole: %w", err)
	}
	return nil
}
