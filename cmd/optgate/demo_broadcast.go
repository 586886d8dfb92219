package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"optgate/gateway/meta/fake"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// killAfter is how many calls of the broadcast have begun when the gateway is killed.
const killAfter = 60

// broadcastToAll sends to everybody, with STOPs and a kill in the middle, and waits for its end.
func (s *stage) broadcastToAll(ctx context.Context) error {
	var made sentBroadcast
	if err := s.api(s.business.token).ask(ctx, http.MethodPost, "/v1/broadcasts", nil, s.plan(), &made); err != nil {
		return fmt.Errorf("make the broadcast: %w", err)
	}
	s.broadcast = made.ID
	s.sayf("A broadcast begins, to all %d people.", len(s.crowd.people))
	if err := s.called(ctx, killAfter/2); err != nil {
		return err
	}
	late := make(chan error, 1)
	go func() { late <- s.courier.deliver(ctx, s.crowd.lateOut, time.Millisecond, func(int) {}) }()
	if err := s.called(ctx, killAfter); err != nil {
		return err
	}
	if err := s.restart(ctx, fmt.Sprintf("%d are called and %d more opt out", killAfter, len(s.crowd.late))); err != nil {
		return err
	}
	if err := <-late; err != nil {
		return err
	}
	var now sentBroadcast
	err := s.wait(ctx, finishedWithin, "the broadcast is finished", func(ctx context.Context) (_ bool, err error) {
		now, err = s.sent(ctx)
		return now.Status == broadcast.Finished, err
	})
	if err != nil {
		return err
	}
	s.seen.finished = now.Status == broadcast.Finished
	s.sayf("The broadcast is %s.", now.Status)
	return s.confirmed(ctx, s.crowd.late)
}

// plan is the broadcast as the API takes it.
func (s *stage) plan() map[string]any {
	return map[string]any{
		"channel": channelID, "category": chat.Marketing, "lists": []string{"default"}, "recipients": s.crowd.recipients(),
		"message": map[string]any{"type": "template", "template": map[string]any{
			"name": "offer", "language": map[string]any{"code": "en"}, "components": []any{map[string]any{
				"type": "body", "parameters": []any{map[string]any{"type": "text", "text": "{{name}}"}},
			}},
		}},
	}
}

// called waits until the broadcast has called so many people.
func (s *stage) called(ctx context.Context, people int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, calledWithin, fmt.Errorf("not within %s", calledWithin))
	defer cancel()
	err := s.meta.Await(ctx, func(sends []fake.Send) bool {
		n := 0
		for _, one := range sends {
			if one.Type != "text" {
				n++
			}
		}
		return n >= people
	})
	if err != nil {
		return fmt.Errorf("until the broadcast has called %d people: %w", people, context.Cause(ctx))
	}
	return nil
}

// sent gives the broadcast as it is now.
func (s *stage) sent(ctx context.Context) (now sentBroadcast, err error) {
	err = s.api(s.business.token).ask(ctx, http.MethodGet, "/v1/broadcasts/"+url.PathEscape(s.broadcast), nil, nil, &now)
	return now, err
}

// report gives all rows of the broadcast's report.
func (s *stage) report(ctx context.Context) ([]reportRow, error) {
	var report []reportRow
	path := "/v1/broadcasts/" + url.PathEscape(s.broadcast) + "/report"
	err := s.api(s.business.token).pages(ctx, path, nil, func(rows []json.RawMessage) error {
		for _, raw := range rows {
			var row reportRow
			if err := json.Unmarshal(raw, &row); err != nil {
				return fmt.Errorf("read a row: %w", err)
			}
			report = append(report, row)
		}
		return nil
	})
	return report, err
}

// someRows is how many rows of each other status the report shows.
const someRows = 3

// showReport prints the report: everybody who is skipped, and some of the others.
func (s *stage) showReport(ctx context.Context) error {
	sent, err := s.sent(ctx)
	if err != nil {
		return err
	}
	rows, err := s.report(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(rows, func(a, b reportRow) int { return a.Status.Rank() - b.Status.Rank() })
	s.printf("\n%s\n\n", sent)
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	writeRow(table, []string{"", "TO", "STATUS", "ERROR", "LIST", "REASON"})
	shown := map[chat.Status]int{}
	for _, row := range rows {
		if shown[row.Status]++; row.Status == chat.Skipped || shown[row.Status] <= someRows {
			writeRow(table, []string{"", row.To, string(row.Status), row.Error, row.List, plain(row.Reason)})
		}
	}
	for status, n := range shown {
		if status != chat.Skipped && n > someRows {
			writeRow(table, []string{"", fmt.Sprintf("… and %d more", n-someRows), string(status)})
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	s.printf("\n")
	return nil
}
