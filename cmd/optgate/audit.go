package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

type auditCommand struct {
	Since string `placeholder:"TIME" help:"Nothing older: 7d or 12h ago, or a time as 2026-11-22T00:00:00Z."`
	accountFlag
	gatewayFlags
	outputFlags
}

// Run shows what was changed by API, the newest first.
func (c *auditCommand) Run(ctx context.Context, t terminal) error {
	query := c.query()
	if c.Since != "" {
		since, err := moment(c.Since, time.Now(), -1)
		if err != nil {
			return usageError{fmt.Errorf("--since: %w", err)}
		}
		query.Set("since", since.UTC().Format(time.RFC3339))
	}
	p := c.printer(t, "at", "token", "by_operator", "route", "what", "counts", "status")
	return c.client().pages(ctx, "/v1/audit", query, p.rows)
}

// moment reads a time, or how long it is away from now: days, or what Go calls a duration. sign is 1 for what comes, -1 for
// what was.
func moment(text string, now time.Time, sign int) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return now.AddDate(0, 0, sign*n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(time.Duration(sign) * d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%q is neither as 90d or 12h, nor a time as 2027-01-31T00:00:00Z", text)
	}
	return at, nil
}
