package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

type deadCommand struct {
	List deadListCommand `cmd:"" help:"List what could not be handled, and why."`
	Show deadShowCommand `cmd:"" help:"Print one with its bytes as they came."`

	Replay deadReplayCommand `cmd:"" help:"Put letters back where they came from, as once their channel is declared."`
}

type deadListCommand struct {
	gatewayFlags
	outputFlags
}

// Run lists dead letters without their bytes, which may be a person's words.
func (c *deadListCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "partition", "offset", "at", "source", "reason", "bytes")
	return c.client().pages(ctx, "/v1/dead", nil, p.rows)
}

type deadShowCommand struct {
	Partition int   `arg:"" help:"As dead list shows it."`
	Offset    int64 `arg:"" help:"As dead list shows it."`
	gatewayFlags
	outputFlags
}

// Run prints one dead letter.
func (c *deadShowCommand) Run(ctx context.Context, t terminal) error {
	var letter json.RawMessage
	path := fmt.Sprintf("/v1/dead/%d/%d", c.Partition, c.Offset)
	if err := c.client().ask(ctx, http.MethodGet, path, nil, nil, &letter); err != nil {
		return err
	}
	return c.printer(t).object(letter)
}
