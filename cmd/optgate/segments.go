package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

type segmentsCommand struct {
	List  segmentsListCommand  `cmd:"" default:"withargs" help:"Show the account's saved segments."`
	Count segmentsCountCommand `cmd:"" help:"Count whom one holds now."`
}

type segmentsListCommand struct {
	gatewayFlags
	outputFlags
}

// Run shows segments.
func (c *segmentsListCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "id", "name", "match", "conditions")
	return c.client().pages(ctx, "/v1/segments", nil, p.rows)
}

type segmentsCountCommand struct {
	ID      string `arg:"" help:"As segments list shows it."`
	Channel string `required:"" placeholder:"CHANNEL" help:"The channel that would send."`
	gatewayFlags
	outputFlags
}

// Run counts a segment.
func (c *segmentsCountCommand) Run(ctx context.Context, t terminal) error {
	var counted json.RawMessage
	path, query := "/v1/segments/"+url.PathEscape(c.ID)+"/count", url.Values{"channel": {c.Channel}}
	if err := c.client().ask(ctx, http.MethodGet, path, query, nil, &counted); err != nil {
		return err
	}
	return c.printer(t).object(counted)
}
