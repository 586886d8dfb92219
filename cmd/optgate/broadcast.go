package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"optgate/pipeline/broadcast"
)

type broadcastCommand struct {
	Create broadcastCreateCommand `cmd:"" help:"Make a broadcast, or say what it would do."`
	List   broadcastListCommand   `cmd:"" help:"Show the account's broadcasts."`
	Show   broadcastShowCommand   `cmd:"" help:"Show where a broadcast stands."`
	Watch  broadcastWatchCommand  `cmd:"" help:"Follow a broadcast until it ends."`
	Report broadcastReportCommand `cmd:"" help:"Show a broadcast's totals and each recipient's row, or save them."`
	Pause  broadcastPauseCommand  `cmd:"" help:"Pause a broadcast."`
	Resume broadcastResumeCommand `cmd:"" help:"Let a paused broadcast go on."`
	Cancel broadcastCancelCommand `cmd:"" help:"End a broadcast before its end."`
}

// broadcastArgument names a broadcast.
type broadcastArgument struct {
	ID string `arg:"" help:"The broadcast's id."`
}

func (a broadcastArgument) path() string { return "/v1/broadcasts/" + url.PathEscape(a.ID) }

type broadcastListCommand struct {
	gatewayFlags
	outputFlags
}

// Run prints the account's broadcasts, the newest first.
func (c *broadcastListCommand) Run(ctx context.Context, t terminal) error {
	columns := []string{"id", "status", "channel", "category", "created_at", "ended_at"}
	return c.client().pages(ctx, "/v1/broadcasts", nil, c.printer(t, columns...).rows)
}

type broadcastShowCommand struct {
	broadcastArgument
	gatewayFlags
	outputFlags
}

// Run prints a broadcast: for people what it is, why it is paused, and how many rows show which error.
func (c *broadcastShowCommand) Run(ctx context.Context, t terminal) error {
	var raw json.RawMessage
	if err := c.client().ask(ctx, http.MethodGet, c.path(), nil, nil, &raw); err != nil {
		return err
	}
	if c.Output == "json" {
		return c.printer(t).object(raw)
	}
	var b struct {
		sentBroadcast
		Errors []struct {
			Error string `json:"error"`
			Count int    `json:"count"`
		} `json:"errors"`
		Barred []struct {
			List  string `json:"list"`
			Count int    `json:"count"`
		} `json:"skipped_by"`
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return fmt.Errorf("read the broadcast: %w", err)
	}
	t.printf("%s\n", b.sentBroadcast)
	for _, e := range b.Errors {
		t.printf("%9d  %s\n", e.Count, plain(e.Error))
	}
	for _, l := range b.Barred {
		t.printf("%9d  on list %s\n", l.Count, plain(l.List))
	}
	return nil
}

// sentBroadcast is a broadcast as the API shows it.
type sentBroadcast struct {
	ID     string           `json:"id"`
	Status broadcast.Status `json:"status"`
	Totals broadcast.Totals `json:"totals"`
	Pause  *struct {
		Code   string `json:"code"`
		Reason string `json:"reason"`
	} `json:"pause"`
}

// String is one line: what it is, and every total that is not nought.
func (b sentBroadcast) String() string {
	t := b.Totals
	var parts []string
	for _, count := range []struct {
		name string
		n    int
	}{
		{"audience", t.Audience}, {"duplicates", t.Duplicates}, {"queued", t.Queued}, {"skipped", t.Skipped}, {"sent", t.Sent},
		{"delivered", t.Delivered}, {"read", t.Read}, {"failed", t.Failed}, {"unknown", t.Unknown}, {"cancelled", t.Cancelled},
		{"expired", t.Expired},
	} {
		if count.n != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", count.name, count.n))
		}
	}
	said := fmt.Sprintf("broadcast %s %s: %s", plain(b.ID), plain(string(b.Status)), strings.Join(parts, ", "))
	if b.Pause != nil {
		said += fmt.Sprintf("; paused (%s): %s", plain(b.Pause.Code), plain(b.Pause.Reason))
	}
	return said
}
