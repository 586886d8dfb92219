package main

import (
	"context"
	"net/url"
)

// templatesCommand is all that concerns message templates.
type templatesCommand struct {
	List templatesListCommand `cmd:"" default:"withargs" help:"Show what Meta has of a channel."`
}

type templatesListCommand struct {
	Channel string `arg:"" help:"A WhatsApp channel's id."`
	Status  string `placeholder:"STATUS" help:"Only those that are approved, pending, paused …"`
	Name    string `placeholder:"NAME" help:"Only those of this name, in all languages."`
	gatewayFlags
	outputFlags
}

// Run shows a channel's templates.
func (c *templatesListCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{"channel": {c.Channel}}
	if c.Status != "" {
		query.Set("status", c.Status)
	}
	if c.Name != "" {
		query.Set("name", c.Name)
	}
	p := c.printer(t, "name", "language", "status", "category", "quality", "updated_at")
	return c.client().pages(ctx, "/v1/templates", query, p.rows)
}
