package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// campaign is a broadcast, and in the end its report.
type campaign struct {
	ID       string
	Cancel   bool // it is to be cancelled
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

// run makes broadcasts until ctx ends. See insist.
func (m *marketer) run(ctx, patience context.Context, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 14)) //nolint:gosec // it must repeat
	for n := 0; pause(ctx, betweenSends); n++ {
		for m.open(ctx) >= unfinished {
			if !pause(ctx, time.Second) {
				return
			}
		}
		var to []map[string]any
		var lines strings.Builder
		lines.WriteString("to,name\n")
		for _, i := range random.Perm(m.people)[:min(recipients, m.people)] {
			to = append(to, map[string]any{"to": "+" + phoneOf(i)})
			lines.WriteString("+" + phoneOf(i) + ",Ada\n")
		}
		key := fmt.Sprintf("torture-%d-%d", seed, n)
		body := map[string]any{
			"channel": "wa", "category": "marketing", "lists": []string{"default"},
			"message": map[string]any{"type": "template", "template": map[string]any{"name": "offer", "language": map[string]any{"code": "en"}}},
		}
		if n%uploadOneOf == 1 {
			uploaded := m.insist(patience, "/v1/audiences", url.Values{"channel": {"wa"}}, key, file(lines.String()))
			body["audience"] = map[string]string{"upload": uploaded}
		} else {
			body["recipients"] = to
		}
		if id := m.insist(patience, "/v1/broadcasts", nil, key, body); id != "" {
			m.mu.Lock()
			m.all = append(m.all, &campaign{ID: id, Audience: len(to), Cancel: n%cancelOneOf == 3})
			m.mu.Unlock()
			if n%pauseOneOf == 2 { // who finds it paused, lets it go on
				_ = m.api.ask(ctx, http.MethodPost, "/v1/broadcasts/"+url.PathEscape(id)+"/pause", nil, "", nil, nil)
			}
		}
	}
}

// Of so many broadcasts, one has its recipients uploaded, is paused for a while, is cancelled.
const (
	uploadOneOf = 2
	pauseOneOf  = 3
	cancelOneOf = 7
)

// insist asks for something to be made until that is answered with its id, or patience ends: it may exist though its first
// answer was lost.
func (m *marketer) insist(patience context.Context, path string, query url.Values, key string, body any) string {
	var made struct {
		ID string `json:"id"`
	}
	for patience.Err() == nil && m.api.ask(patience, http.MethodPost, path, query, key, body, &made) != nil {
		pause(patience, 500*time.Millisecond)
	}
	return made.ID
}

// over says that nothing more is sent, and every recipient has an outcome.
func (c *campaign) over() bool {
	return c.Status == "finished" || c.Status == "cancelled" && c.Totals["queued"] == 0
}

// open counts broadcasts that are not over, after asking about them. One that is paused goes on.
func (m *marketer) open(ctx context.Context) (open int) {
	m.mu.Lock()
	all := append([]*campaign(nil), m.all...)
	m.mu.Unlock()
	for _, c := range all {
		if c.over() {
			continue
		}
		path := "/v1/broadcasts/" + url.PathEscape(c.ID)
		var now broadcastAnswer
		if m.api.ask(ctx, http.MethodGet, path, nil, "", nil, &now) == nil {
			c.Status, c.Totals = now.Status, now.Totals
		}
		switch { // a call that is lost is made again at the next look
		case c.over():
			continue
		case c.Cancel:
			_ = m.api.ask(ctx, http.MethodPost, path+"/cancel", nil, "", nil, nil)
		case c.Status == "paused":
			_ = m.api.ask(ctx, http.MethodPost, path+"/resume", nil, "", nil, nil)
		}
		open++
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
		done := campaign{ID: c.ID, Cancel: c.Cancel, Audience: c.Audience, Status: now.Status, Totals: now.Totals}
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
