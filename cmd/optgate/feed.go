package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

type feedCommand struct {
	List   feedListCommand   `cmd:"" help:"Show what was posted to a list's webhook URL, the latest changes first."`
	Show   feedShowCommand   `cmd:"" help:"Show one delivery with its attempts and its body."`
	Replay feedReplayCommand `cmd:"" help:"Post deliveries anew."`
	Test   feedTestCommand   `cmd:"" help:"Post a sample now and tell what came back."`
	Secret feedSecretCommand `cmd:"" help:"Show the secret that posts are signed with, or change it."`
}

func feedPath(list string, more ...string) string {
	parts := []string{"/v1/optout-lists", url.PathEscape(list)}
	for _, part := range more {
		parts = append(parts, url.PathEscape(part))
	}
	return strings.Join(parts, "/")
}

type feedListCommand struct {
	List   string `arg:"" help:"The list's id, as default."`
	Status string `placeholder:"STATUS" help:"Only these: pending, delivered, dead or dropped, several with commas."`
	gatewayFlags
	outputFlags
}

// Run lists deliveries.
func (c *feedListCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{}
	if c.Status != "" {
		query.Set("status", c.Status)
	}
	p := c.printer(t, "id", "status", "action", "to", "email", "made_at", "tries", "error", "next_at")
	return c.client().pages(ctx, feedPath(c.List, "deliveries"), query, p.rows)
}

type feedShowCommand struct {
	List string `arg:"" help:"The list's id."`
	ID   string `arg:"" help:"As feed list shows it."`
	gatewayFlags
	outputFlags
}

// Run shows one delivery.
func (c *feedShowCommand) Run(ctx context.Context, t terminal) error {
	var delivery json.RawMessage
	if err := c.client().ask(ctx, http.MethodGet, feedPath(c.List, "deliveries", c.ID), nil, nil, &delivery); err != nil {
		return err
	}
	return c.printer(t).object(delivery)
}

type feedReplayCommand struct {
	List string   `arg:"" help:"The list's id."`
	IDs  []string `arg:"" optional:"" help:"Deliveries, as feed list shows them."`
	Dead bool     `help:"All that were given up."`
	gatewayFlags
	outputFlags
}

// Run posts deliveries anew: those named, or all that are dead.
func (c *feedReplayCommand) Run(ctx context.Context, t terminal) error {
	if c.Dead == (len(c.IDs) > 0) {
		return usageError{errors.New("name deliveries, or give --dead for all that were given up")}
	}
	for _, id := range c.IDs {
		var delivery json.RawMessage
		if err := c.client().ask(ctx, http.MethodPost, feedPath(c.List, "deliveries", id, "replay"), nil, nil, &delivery); err != nil {
			return err
		}
		if err := c.printer(t).object(delivery); err != nil {
			return err
		}
	}
	if !c.Dead {
		return nil
	}
	said := struct {
		Replayed int `json:"replayed"`
	}{}
	for more := true; more; {
		var some struct {
			Replayed int  `json:"replayed"`
			More     bool `json:"more"`
		}
		if err := c.client().ask(ctx, http.MethodPost, feedPath(c.List, "deliveries", "replay"), nil, map[string]string{"status": "dead"}, &some); err != nil {
			return err
		}
		said.Replayed += some.Replayed
		more = some.More && some.Replayed > 0
	}
	raw, err := json.Marshal(said)
	if err != nil {
		return err
	}
	return c.printer(t).object(raw)
}

type feedTestCommand struct {
	List string `arg:"" help:"The list's id."`
	gatewayFlags
	outputFlags
}

// Run posts a sample; that the receiver did not take it is a failure.
func (c *feedTestCommand) Run(ctx context.Context, t terminal) error {
	var raw json.RawMessage
	if err := c.client().ask(ctx, http.MethodPost, feedPath(c.List, "deliveries", "test"), nil, nil, &raw); err != nil {
		return err
	}
	if err := c.printer(t).object(raw); err != nil {
		return err
	}
	var said struct {
		Delivered bool `json:"delivered"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return err
	}
	if !said.Delivered {
		return errors.New("the receiver did not take the sample")
	}
	return nil
}

type feedSecretCommand struct {
	List   string `arg:"" help:"The list's id."`
	Change bool   `help:"Give posts another secret; the former one signs beside it for 24 hours."`
	gatewayFlags
	outputFlags
}

// Run shows or changes a feed's secret.
func (c *feedSecretCommand) Run(ctx context.Context, t terminal) error {
	method := http.MethodGet
	if c.Change {
		method = http.MethodPost
	}
	var secret json.RawMessage
	if err := c.client().ask(ctx, method, feedPath(c.List, "webhook-secret"), nil, nil, &secret); err != nil {
		return err
	}
	return c.printer(t).object(secret)
}
