package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// campaign is a broadcast, and in the end its report.
type campaign struct {
	ID       string
	Status   string
	Audience int
	Totals   map[string]int
	Rows     []reportRow
}

type reportRow struct {
	To     string `json:"to"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

// broadcastAnswer is a broadcast as the API shows it.
type broadcastAnswer struct {
	ID     string         `json:"id"`
	Status string         `json:"status"`
	Totals map[string]int `json:"totals"`
}

// marketer sends broadcasts, one after the other.
type marketer struct {
	api    *api
	people int

	mu  sync.Mutex
	all []*campaign
}

const (
	recipients   = 200
	unfinished   = 3 // broadcasts at a time
	betweenSends = 2 * time.Second
)

// run makes broadcasts until ctx ends. One that has been asked for is asked for again until it is answered or patience ends:
// it may exist though its first answer was lost.
func (m *marketer) run(ctx, patience context.Context, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 14)) //nolint:gosec // it must repeat
	for n := 0; pause(ctx, betweenSends); n++ {
		for m.open(ctx) >= unfinished {
			if !pause(ctx, time.Second) {
				return
			}
		}
		var to []map[string]any
		for _, i := range random.Perm(m.people)[:min(recipients, m.people)] {
			to = append(to, map[string]any{"to": "+" + phoneOf(i)})
		}
		body := map[string]any{
			"channel": "wa", "category": "marketing", "lists": []string{"default"}, "recipients": to,
			"message": map[string]any{"type": "template", "template": map[string]any{"name": "offer", "language": map[string]any{"code": "en"}}},
		}
		var made broadcastAnswer
		for patience.Err() == nil && m.api.ask(patience, http.MethodPost, "/v1/broadcasts", nil, fmt.Sprintf("torture-%d-%d", seed, n), body, &made) != nil {
			pause(patience, 500*time.Millisecond)
		}
		if made.ID != "" {
			m.mu.Lock()
			m.all = append(m.all, &campaign{ID: made.ID, Audience: len(to)})
			m.mu.Unlock()
		}
	}
}

// open counts broadcasts that are not finished, after asking about them.
func (m *marketer) open(ctx context.Context) (open int) {
	m.mu.Lock()
	all := append([]*campaign(nil), m.all...)
	m.mu.Unlock()
	for _, c := range all {
		if c.Status == "finished" {
			continue
		}
		var now broadcastAnswer
		if m.api.ask(ctx, http.MethodGet, "/v1/broadcasts/"+url.PathEscape(c.ID), nil, "", nil, &now) == nil {
			c.Status, c.Totals = now.Status, now.Totals
		}
		if c.Status != "finished" {
			open++
		}
	}
	return open
}

// reports gives all broadcasts with their rows.
func (m *marketer) reports(ctx context.Context) ([]campaign, error) {
	var all []campaign
	for _, c := range m.all {
		var now broadcastAnswer
		if err := m.api.ask(ctx, http.MethodGet, "/v1/broadcasts/"+url.PathEscape(c.ID), nil, "", nil, &now); err != nil {
			return nil, err
		}
		done := campaign{ID: c.ID, Audience: c.Audience, Status: now.Status, Totals: now.Totals}
		err := m.api.pages(ctx, "/v1/broadcasts/"+url.PathEscape(c.ID)+"/report", func(raw json.RawMessage) error {
			var row reportRow
			err := json.Unmarshal(raw, &row)
			done.Rows = append(done.Rows, row)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, done)
	}
	return all, nil
}
