package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

type linksCommand struct {
	List      string   `arg:"" help:"The list that is left, as default."`
	Recipient []string `arg:"" help:"Phone numbers in any usual writing, BSUIDs or e-mail addresses."`
	Channel   string   `default:"*" placeholder:"CHANNEL" help:"The channel that the opt-out is for; by default *, all of them."`
	gatewayFlags
	outputFlags
}

// linksAtOnce is how many recipients one call may name.
const linksAtOnce = 1000

// linksMade is an answer of POST /v1/unsubscribe-links.
type linksMade struct {
	Links  []json.RawMessage `json:"links"`
	Errors []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"errors"`
}

// Run makes an unsubscribe link for each recipient. Where somebody has none, that is the command's error.
func (c *linksCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "to", "email", "url")
	var wrong []string
	for some := range slices.Chunk(c.Recipient, linksAtOnce) {
		var made linksMade
		asked := map[string]any{"list": c.List, "channel": c.Channel, "recipients": some}
		if err := c.client().ask(ctx, http.MethodPost, "/v1/unsubscribe-links", nil, asked, &made); err != nil {
			return err
		}
		if err := p.rows(made.Links); err != nil {
			return err
		}
		for _, e := range made.Errors {
			wrong = append(wrong, fmt.Sprintf("%s: %s", named(some, e.Field), e.Detail))
		}
	}
	if len(wrong) > 0 {
		return errors.New(plainLines(append([]string{"not everybody has a link"}, wrong...)))
	}
	return nil
}

// named gives the recipient that a wrong field as recipients[3] is about.
func named(recipients []string, field string) string {
	var i int
	if _, err := fmt.Sscanf(field, "recipients[%d]", &i); err != nil || i < 0 || i >= len(recipients) {
		return field
	}
	return strings.TrimSpace(recipients[i])
}
