package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

type sequencesCommand struct {
	List        sequencesListCommand        `cmd:"" help:"Show the account's sequences."`
	Show        sequencesShowCommand        `cmd:"" help:"Show who is subscribed to a sequence, and what comes next to each."`
	Subscribe   sequencesSubscribeCommand   `cmd:"" help:"Subscribe people to a sequence."`
	Unsubscribe sequencesUnsubscribeCommand `cmd:"" help:"Unsubscribe somebody from a sequence."`
	Report      sequencesReportCommand      `cmd:"" help:"Show what became of each step of each person."`
}

// sequenceArgument names a sequence.
type sequenceArgument struct {
	ID string `arg:"" help:"The sequence's id."`
}

func (a sequenceArgument) path() string { return "/v1/sequences/" + url.PathEscape(a.ID) }

type sequencesListCommand struct {
	gatewayFlags
	outputFlags
}

// Run shows sequences.
func (c *sequencesListCommand) Run(ctx context.Context, t terminal) error {
	return c.client().pages(ctx, "/v1/sequences", nil, c.printer(t, "id", "name", "status", "channel", "category", "changed_at").rows)
}

type sequencesShowCommand struct {
	sequenceArgument
	Status string `placeholder:"STATUS" help:"Only these: active, done, unsubscribed or stopped."`
	gatewayFlags
	outputFlags
}

// Run shows subscribers.
func (c *sequencesShowCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{}
	if c.Status != "" {
		query.Set("status", c.Status)
	}
	columns := c.printer(t, "to", "status", "subscribed_at", "next_step", "next_at")
	return c.client().pages(ctx, c.path()+"/subscribers", query, columns.rows)
}

type sequencesSubscribeCommand struct {
	sequenceArgument
	To    []string          `arg:"" help:"Phone numbers or BSUIDs; at most 1,000."`
	Param map[string]string `placeholder:"NAME=VALUE" help:"A parameter of the messages, the same for all of these people."`
	Fresh bool              `help:"Leave alone who was subscribed before."`
	gatewayFlags
}

// Run subscribes people and tells what became of each.
func (c *sequencesSubscribeCommand) Run(ctx context.Context, t terminal) error {
	people := make([]map[string]any, len(c.To))
	for i, to := range c.To {
		people[i] = map[string]any{"to": to, "params": c.Param}
		if c.Param == nil {
			delete(people[i], "params")
		}
	}
	var said struct {
		Data []struct{ To, Given, Result, Error string }
	}
	body := map[string]any{"subscribers": people, "again": !c.Fresh}
	if err := c.client().ask(ctx, http.MethodPost, c.path()+"/subscribers", nil, body, &said); err != nil {
		return err
	}
	for _, one := range said.Data {
		who, result := one.To, one.Result
		if who == "" {
			who = one.Given
		}
		if result == "" {
			result = "accepted"
		}
		t.printf("%s\n", strings.TrimSuffix(fmt.Sprintf("%s: %s, %s", plain(who), plain(result), plain(one.Error)), ", "))
	}
	return nil
}

type sequencesUnsubscribeCommand struct {
	ID string `arg:"" help:"The sequence's id."`
	identifierArgument
	gatewayFlags
}

// Run unsubscribes somebody.
func (c *sequencesUnsubscribeCommand) Run(ctx context.Context, t terminal) error {
	var said struct{ To, Status string }
	path := sequenceArgument{c.ID}.path() + "/subscribers/" + url.PathEscape(c.Identifier)
	if err := c.client().ask(ctx, http.MethodDelete, path, c.query(), nil, &said); err != nil {
		return err
	}
	if said.To == "" {
		said.To = c.Identifier
	}
	t.printf("%s: %s\n", plain(said.To), plain(said.Status))
	return nil
}

type sequencesReportCommand struct {
	sequenceArgument
	Status string `placeholder:"STATUS" help:"Only rows of this status, as Skipped."`
	Step   string `placeholder:"ID" help:"Only rows of this step."`
	gatewayFlags
	outputFlags
}

// Run shows rows.
func (c *sequencesReportCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{}
	for name, value := range map[string]string{"status": c.Status, "step": c.Step} {
		if value != "" {
			query.Set(name, value)
		}
	}
	columns := c.printer(t, "to", "step", "status", "error", "list", "reason", "updated_at")
	return c.client().pages(ctx, c.path()+"/report", query, columns.rows)
}
