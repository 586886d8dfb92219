package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

type blacklistCommand struct {
	List   blacklistListCommand   `cmd:"" default:"withargs" help:"Show whom the account has blocked."`
	Add    blacklistAddCommand    `cmd:"" help:"Block somebody: nothing is sent to them, and what they write is not worked on."`
	Remove blacklistRemoveCommand `cmd:"" help:"Let somebody through again, under every number and id that is linked."`
}

type blacklistListCommand struct {
	searchFlags
	gatewayFlags
	outputFlags
}

// Run shows the blacklist.
func (c *blacklistListCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "to", "email", "channel", "since", "by", "note", "id")
	return c.client().pages(ctx, "/v1/blacklist", c.query(), p.rows)
}

type blacklistAddCommand struct {
	Who     string `arg:"" help:"A phone number in any usual writing, a BSUID or an e-mail."`
	Channel string `required:"" placeholder:"CHANNEL" help:"A channel's id, or * for all; an e-mail takes *."`
	Note    string `placeholder:"TEXT" help:"Why, for whoever looks at it later."`
	gatewayFlags
	outputFlags
}

// Run blocks somebody.
func (c *blacklistAddCommand) Run(ctx context.Context, t terminal) error {
	body := map[string]any{"channel": c.Channel, "note": c.Note, "to": c.Who}
	if strings.Contains(c.Who, "@") {
		body["email"] = c.Who
		delete(body, "to")
	}
	var made json.RawMessage
	if err := c.client().ask(ctx, http.MethodPost, "/v1/blacklist", nil, body, &made); err != nil {
		return err
	}
	return c.printer(t).object(made)
}

type blacklistRemoveCommand struct {
	ID string `arg:"" help:"Of the entry, as blacklist list shows it."`
	gatewayFlags
	outputFlags
}

// Run lets somebody through.
func (c *blacklistRemoveCommand) Run(ctx context.Context, t terminal) error {
	var gone json.RawMessage
	if err := c.client().ask(ctx, http.MethodDelete, "/v1/blacklist/"+url.PathEscape(c.ID), nil, nil, &gone); err != nil {
		return err
	}
	return c.printer(t).object(gone)
}
