package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

type tokensCommand struct {
	List   tokensListCommand   `cmd:"" default:"withargs" help:"Show the account's tokens, without their secrets."`
	Create tokensCreateCommand `cmd:"" help:"Make one. Its secret is shown this once."`
	Revoke tokensRevokeCommand `cmd:"" help:"Revoke one: a second later it lets nobody in."`
}

// accountFlag names the account whose tokens or audit is meant.
type accountFlag struct {
	Account string `placeholder:"ID" help:"The account, where the token is an operator's."`
}

func (f accountFlag) query() url.Values {
	query := url.Values{}
	if f.Account != "" {
		query.Set("account", f.Account)
	}
	return query
}

type tokensListCommand struct {
	accountFlag
	gatewayFlags
	outputFlags
}

// Run shows the account's tokens.
func (c *tokensListCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "id", "name", "scopes", "source", "status", "created_at", "expires_at", "by")
	return c.client().pages(ctx, "/v1/tokens", c.query(), p.rows)
}

type tokensCreateCommand struct {
	Name    string   `required:"" placeholder:"TEXT" help:"What it is called in logs and in the audit."`
	Scope   []string `required:"" enum:"read,send,lists,admin" placeholder:"SCOPE" help:"What it may do: read, send, lists, or admin; several by commas."`
	Expires string   `placeholder:"TIME" help:"When it ends: after 90d or 12h, or at a time as 2027-01-31T00:00:00Z; never by default."`
	accountFlag
	gatewayFlags
	outputFlags
}

// Run makes a token and prints it with its secret.
func (c *tokensCreateCommand) Run(ctx context.Context, t terminal) error {
	body := map[string]any{"name": c.Name, "scopes": c.Scope}
	if c.Expires != "" {
		at, err := moment(c.Expires, time.Now(), 1)
		if err != nil {
			return usageError{fmt.Errorf("--expires: %w", err)}
		}
		body["expires_at"] = at.UTC().Format(time.RFC3339)
	}
	var made json.RawMessage
	if err := c.client().ask(ctx, http.MethodPost, "/v1/tokens", c.query(), body, &made); err != nil {
		return err
	}
	return c.printer(t).object(made)
}

type tokensRevokeCommand struct {
	ID string `arg:"" help:"As tokens list shows it."`
	accountFlag
	gatewayFlags
	outputFlags
}

// Run revokes a token.
func (c *tokensRevokeCommand) Run(ctx context.Context, t terminal) error {
	var revoked json.RawMessage
	err := c.client().ask(ctx, http.MethodDelete, "/v1/tokens/"+url.PathEscape(c.ID), c.query(), nil, &revoked)
	if err != nil {
		return err
	}
	return c.printer(t).object(revoked)
}
