package main

import (
	"context"
	"net/http"
	"net/url"
)

// broadcastPauseCommand pauses a broadcast.
type broadcastPauseCommand struct{ broadcastChange }

// Run pauses and shows the broadcast.
func (c *broadcastPauseCommand) Run(ctx context.Context, t terminal) error {
	return c.move(ctx, t, "pause")
}

// broadcastResumeCommand lets a broadcast go on.
type broadcastResumeCommand struct{ broadcastChange }

// Run resumes and shows the broadcast.
func (c *broadcastResumeCommand) Run(ctx context.Context, t terminal) error {
	return c.move(ctx, t, "resume")
}

// broadcastCancelCommand ends a broadcast before its end.
type broadcastCancelCommand struct{ broadcastChange }

// Run cancels and shows the broadcast.
func (c *broadcastCancelCommand) Run(ctx context.Context, t terminal) error {
	return c.move(ctx, t, "cancel")
}

type broadcastChange struct {
	ID     string `arg:"" help:"The broadcast's id."`
	Reason string `placeholder:"TEXT" help:"Why, for those who look later."`
	gatewayFlags
}

func (c *broadcastChange) move(ctx context.Context, t terminal, how string) error {
	var now sentBroadcast
	path := "/v1/broadcasts/" + url.PathEscape(c.ID) + "/" + how
	if err := c.client().ask(ctx, http.MethodPost, path, nil, map[string]string{"reason": c.Reason}, &now); err != nil {
		return err
	}
	t.printf("%s\n", now)
	return nil
}
