package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

type contactsCommand struct {
	List   contactsListCommand   `cmd:"" default:"withargs" help:"Show the account's contacts."`
	Set    contactsSetCommand    `cmd:"" help:"Make a contact, or change one that is there: only what is named."`
	Remove contactsRemoveCommand `cmd:"" help:"Forget a contact; its opt-outs stay."`
}

type contactsListCommand struct {
	Search   string `placeholder:"TEXT" help:"Only those that show this: a part of a number in any usual writing, of an id or an e-mail."`
	Tag      string `placeholder:"TAG" help:"Only those that have it."`
	Category string `placeholder:"CATEGORY" help:"Only those that have it."`
	gatewayFlags
	outputFlags
}

// Run shows contacts.
func (c *contactsListCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{}
	for name, value := range map[string]string{"search": c.Search, "tag": c.Tag, "category": c.Category} {
		if value != "" {
			query.Set(name, value)
		}
	}
	p := c.printer(t, "to", "email", "name", "tags", "categories", "id")
	return c.client().pages(ctx, "/v1/contacts", query, p.rows)
}

type contactsSetCommand struct {
	Who       string            `arg:"" help:"A phone number in any usual writing, a BSUID or an e-mail."`
	Name      *string           `placeholder:"TEXT" help:"What they are called."`
	Tag       []string          `placeholder:"TAG" help:"Tags to add; several with commas."`
	Untag     []string          `placeholder:"TAG" help:"Tags to take away; several with commas."`
	Attribute map[string]string `placeholder:"NAME=TEXT" help:"Attributes to set; several with semicolons. An empty text takes one away."`
	gatewayFlags
	outputFlags
}

// Run makes or changes a contact.
func (c *contactsSetCommand) Run(ctx context.Context, t terminal) error {
	attributes := map[string]*string{}
	for name, value := range c.Attribute {
		if attributes[name] = nil; value != "" {
			attributes[name] = &value
		}
	}
	body := map[string]any{"to": c.Who, "name": c.Name, "add_tags": c.Tag, "remove_tags": c.Untag, "attributes": attributes}
	if strings.Contains(c.Who, "@") {
		body["email"] = c.Who
		delete(body, "to")
	}
	var kept json.RawMessage
	if err := c.client().ask(ctx, http.MethodPost, "/v1/contacts", nil, body, &kept); err != nil {
		return err
	}
	return c.printer(t).object(kept)
}

type contactsRemoveCommand struct {
	ID string `arg:"" help:"As contacts list shows it."`
	gatewayFlags
	outputFlags
}

// Run forgets a contact.
func (c *contactsRemoveCommand) Run(ctx context.Context, t terminal) error {
	var gone json.RawMessage
	if err := c.client().ask(ctx, http.MethodDelete, "/v1/contacts/"+url.PathEscape(c.ID), nil, nil, &gone); err != nil {
		return err
	}
	return c.printer(t).object(gone)
}
