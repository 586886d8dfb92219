package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

type replayCommand struct {
	Keywords string `required:"" placeholder:"FILE" help:"Words, one a line; - reads standard input."`
	Since    string `default:"7d" placeholder:"TIME" help:"A day, a time, or how long ago; inbound is kept for 7 days."`
	Channel  string `placeholder:"CHANNEL" help:"Only messages on this channel."`
	List     string `placeholder:"LIST" help:"The list that they would be keywords of; default by default."`
	DryRun   bool   `help:"Required: words are only ever tried, never applied to the past."`
	gatewayFlags
	outputFlags
}

// Run prints what the words would have matched.
func (c *replayCommand) Run(ctx context.Context, t terminal) error {
	if !c.DryRun {
		return usageError{errors.New("--dry-run is required: nobody is opted out by words that were no keyword when they wrote them. " +
			"To opt out whom the dry run counts, import them")}
	}
	words, err := c.words(t)
	if err != nil {
		return err
	}
	asked := map[string]any{"keywords": words, "since": c.Since, "channel": c.Channel, "list": c.List}
	answer, err := c.client().call(ctx, http.MethodPost, "/v1/keyword-replays", nil, asked)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	p := c.printer(t, "keyword", "folded", "messages", "people", "opted_out")
	var rows []json.RawMessage
	done := false
	err = lines(answer, func(line []byte) error {
		var said struct {
			Progress *struct {
				Read int64 `json:"read"`
				Of   int64 `json:"of"`
			} `json:"progress"`
			Totals json.RawMessage `json:"totals"`
		}
		if err := json.Unmarshal(line, &said); err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		switch {
		case said.Progress != nil && c.Output == "table":
			return say(t, "read %d of %d records\n", said.Progress.Read, said.Progress.Of)
		case said.Progress != nil:
			return nil
		case said.Totals == nil:
			rows = append(rows, bytes.Clone(line))
			return nil
		case c.Output == "json":
			done, rows = true, append(rows, bytes.Clone(line))
			return p.rows(rows)
		}
		done = true
		if err := p.rows(rows); err != nil {
			return err
		}
		t.printf("\n")
		return c.printer(t).object(said.Totals)
	})
	if err == nil && !done {
		err = errors.New("the answer ended before its totals")
	}
	return err
}

// words reads the file: a word or phrase a line, empty lines aside.
func (c *replayCommand) words(t terminal) (words []string, err error) {
	data, err := readFile(c.Keywords, t)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff")); line != "" {
			words = append(words, line)
		}
	}
	if len(words) == 0 {
		return nil, usageError{fmt.Errorf("--keywords: %s holds none", c.Keywords)}
	}
	return words, nil
}

// say tells people how far it is, beside what is printed.
func say(t terminal, format string, values ...any) error {
	_, err := fmt.Fprintf(t.err, format, values...)
	return err
}
