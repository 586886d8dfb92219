package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// listsCommand is all that concerns opt-out lists; each of its commands stands in a file of its own or beside its kin.
type listsCommand struct {
	All     listsAllCommand     `cmd:"" default:"withargs" help:"Show the account's opt-out lists."`
	Show    listsShowCommand    `cmd:"" help:"Show one with all its words and texts."`
	Create  listsCreateCommand  `cmd:"" help:"Make one."`
	Change  listsChangeCommand  `cmd:"" help:"Change one: only what is named."`
	Delete  listsDeleteCommand  `cmd:"" help:"Delete one, after saying how many people could be reached again."`
	Near    listsNearCommand    `cmd:"" help:"Show texts that are nearly a stop word of one."`
	Adopt   listsAdoptCommand   `cmd:"" help:"Make such a text a stop word."`
	Entries listsEntriesCommand `cmd:"" help:"Show who is on one."`
	Export  listsExportCommand  `cmd:"" help:"Write everybody on one as a file that import reads."`
	Import  listsImportCommand  `cmd:"" help:"Put the people of a CSV file on one."`
}

type listsAllCommand struct {
	gatewayFlags
	outputFlags
}

// Run shows the account's lists.
func (c *listsAllCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "id", "name", "system", "scope", "channels", "keywords")
	return c.client().pages(ctx, "/v1/optout-lists", nil, p.rows)
}

// listArgument names the list that a command is about.
type listArgument struct {
	List string `arg:"" help:"The list's id, as default."`
}

// path gives the list's URL in the API.
func (a listArgument) path() string { return "/v1/optout-lists/" + url.PathEscape(a.List) }

type listsShowCommand struct {
	listArgument
	gatewayFlags
	outputFlags
}

// Run shows a list.
func (c *listsShowCommand) Run(ctx context.Context, t terminal) error {
	var list json.RawMessage
	if err := c.client().ask(ctx, http.MethodGet, c.path(), nil, nil, &list); err != nil {
		return err
	}
	return c.printer(t).object(list)
}

type listsEntriesCommand struct {
	listArgument
	searchFlags
	gatewayFlags
	outputFlags
}

// searchFlags say who on a list is looked for.
type searchFlags struct {
	Search  string `placeholder:"TEXT" help:"Only those that show this: a part of a number in any usual writing, of an id or an e-mail."`
	Channel string `placeholder:"CHANNEL" help:"Only entries of this channel; * are those for all channels."`
}

func (f searchFlags) query() url.Values {
	query := url.Values{}
	if f.Search != "" {
		query.Set("search", f.Search)
	}
	if f.Channel != "" {
		query.Set("channel", f.Channel)
	}
	return query
}

// Run shows a list's entries.
func (c *listsEntriesCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "to", "email", "channel", "source", "since", "id")
	return c.client().pages(ctx, c.path()+"/entries", c.query(), p.rows)
}
