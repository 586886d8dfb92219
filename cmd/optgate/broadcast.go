package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"optgate/pipeline/broadcast"
)

type broadcastCommand struct {
	Report broadcastReportCommand `cmd:"" help:"Show a broadcast's totals and each recipient's row."`
	Pause  broadcastPauseCommand  `cmd:"" help:"Pause a broadcast."`
	Resume broadcastResumeCommand `cmd:"" help:"Let a paused broadcast go on."`
	Cancel broadcastCancelCommand `cmd:"" help:"End a broadcast before its end."`
}

type broadcastReportCommand struct {
	ID     string `arg:"" help:"The broadcast's id."`
	Status string `placeholder:"STATUS" help:"Only rows of this status, as Skipped."`
	gatewayFlags
	outputFlags
}

// Run prints the report: as a table with the totals before it, as JSON the rows alone.
func (c *broadcastReportCommand) Run(ctx context.Context, t terminal) error {
	api, path := c.client(), "/v1/broadcasts/"+url.PathEscape(c.ID)
	if c.Output == "table" {
		var sent sentBroadcast
		if err := api.ask(ctx, http.MethodGet, path, nil, nil, &sent); err != nil {
			return err
		}
		t.printf("%s\n\n", sent)
	}
	query := url.Values{}
	if c.Status != "" {
		query.Set("status", c.Status)
	}
	return api.pages(ctx, path+"/report", query, c.printer(t, reportColumns()...).rows)
}

func reportColumns() []string {
	return []string{"to", "status", "error", "list", "reason", "updated_at"}
}

// sentBroadcast is a broadcast as the API shows it.
type sentBroadcast struct {
	ID     string           `json:"id"`
	Status broadcast.Status `json:"status"`
	Totals broadcast.Totals `json:"totals"`
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
	return fmt.Sprintf("broadcast %s %s: %s", plain(b.ID), plain(string(b.Status)), strings.Join(parts, ", "))
}
