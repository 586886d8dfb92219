package main

import (
	"context"
	"net/url"
)

type listsCommand struct {
	Show    listsShowCommand    `cmd:"" default:"withargs" help:"Show the account's opt-out lists."`
	Entries listsEntriesCommand `cmd:"" help:"Show who is on one."`
}

type listsShowCommand struct {
	gatewayFlags
	outputFlags
}

// Run shows the account's lists.
func (c *listsShowCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "id", "name", "system", "scope", "channels", "keywords")
	return c.client().pages(ctx, "/v1/optout-lists", nil, p.rows)
}

type listsEntriesCommand struct {
	List   string `arg:"" help:"The list's id, as default."`
	Search string `placeholder:"TEXT" help:"Only entries that show this."`
	gatewayFlags
	outputFlags
}

// Run shows a list's entries.
func (c *listsEntriesCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{}
	if c.Search != "" {
		query.Set("search", c.Search)
	}
	p := c.printer(t, "to", "email", "channel", "source", "since", "id")
	return c.client().pages(ctx, "/v1/optout-lists/"+url.PathEscape(c.List)+"/entries", query, p.rows)
}
