package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestASequenceRunsChangesAndStops is a sequence from outside: subscribed, changed while it runs and while nothing runs, stopped by
// one of its people, paused, and reported.
func TestASequenceRunsChangesAndStops(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		step := func(text string, after map[string]any) map[string]any {
			return map[string]any{"after": after, "message": map[string]any{"type": "text", "text": map[string]any{"body": text}}}
		}
		kept := func(id int, text string, after map[string]any) map[string]any {
			s := step(text, after)
			s["id"] = id
			return s
		}
		now, later := map[string]any{"minutes": 0}, map[string]any{"days": 1}
		var q struct {
			ID, Status  string
			Subscribers map[string]int
			Totals      map[string]int
		}
		if status, answer := w.certainly(http.MethodPost, "/v1/sequences", acmeToken, map[string]any{
			"name": "Welcome", "channel": "wa", "category": "marketing", "lists": []any{"default"},
			"steps": []any{step("Welcome {{name}}", now), step("tips", later), step("offer", later)},
		}, &q); status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
		path := "/v1/sequences/" + q.ID
		subscribe := func(from, n int) {
			t.Helper()
			var people []any
			for _, p := range shownPeople(from, n) {
				people = append(people, map[string]any{"to": p, "params": map[string]any{"name": "Ada"}})
			}
			if status, answer := w.certainly(http.MethodPost, path+"/subscribers", acmeToken, map[string]any{"subscribers": people}, nil); status != http.StatusCreated {
				t.Fatalf("%d %s", status, answer)
			}
		}
		texts := func(n int) (texts []string) {
			for _, s := range w.meta.To(person(n).Phone) {
				var body struct{ Text struct{ Body string } }
				if err := json.Unmarshal(s.Body, &body); err != nil {
					t.Fatal(err)
				}
				texts = append(texts, body.Text.Body)
			}
			return texts
		}
		total := func(status string, n int) {
			t.Helper()
			eventually(t, fmt.Sprintf("%d rows are %s", n, status), func() bool {
				w.api(http.MethodGet, path, acmeToken, nil, &q)
				return q.Totals[status] == n
			})
		}
		subscribe(1, 20)
		total("sent", 20)
		w.says(person(3), "STOP")
		w.confirmed(person(3))

		w.stop() // what Redis held is lost with it, where that is embedded
		w.start()
		if status, answer := w.certainly(http.MethodPatch, path, acmeToken, map[string]any{
			"steps": []any{kept(1, "Welcome {{name}}", now), kept(2, "tips", now), kept(3, "offer", later)},
		}, nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		total("sent", 39)
		total("skipped", 1)
		if status, answer := w.certainly(http.MethodDelete, path+"/subscribers/"+shown(person(4)), acmeToken, nil, nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		w.certainly(http.MethodPost, path+"/pause", acmeToken, nil, nil)
		w.certainly(http.MethodPatch, path, acmeToken, map[string]any{
			"steps": []any{kept(1, "Welcome {{name}}", now), kept(3, "offer", now)},
		}, nil)
		w.certainly(http.MethodPost, path+"/resume", acmeToken, nil, nil)
		total("sent", 57)
		total("skipped", 2)
		for n, want := range map[int][]string{1: {"Welcome Ada", "tips", "offer"}, 4: {"Welcome Ada", "tips"}} {
			if got := texts(n); !slices.Equal(got, want) {
				t.Errorf("person %d got %q, not %q", n, got, want)
			}
		}
		if got := texts(3); len(got) != 2 || got[0] != "Welcome Ada" {
			t.Errorf("who stopped got %q", got)
		}
		calledOnce(t, w.meta.Sends())
		if q.Subscribers["done"] != 19 || q.Subscribers["unsubscribed"] != 1 || q.Totals["rows"] != 59 {
			t.Errorf("%+v", q)
		}
		_, csv, _ := fetch(http.MethodGet, "http://"+w.private+path+"/report?format=csv", acmeToken, nil)
		if lines := strings.Count(string(csv), "\n"); lines != 60 || strings.Count(string(csv), ",Skipped,Optout Number,default,") != 2 {
			t.Errorf("%d lines: %.600s", lines, csv)
		}
		var rows struct {
			Data []struct {
				To, Status, Error string
				Step              int
			}
		}
		w.certainly(http.MethodGet, path+"/report?status=Skipped&step=2&list=default", acmeToken, nil, &rows)
		if len(rows.Data) != 1 || rows.Data[0].To != shown(person(3)) || rows.Data[0].Error != "Optout Number" || rows.Data[0].Step != 2 {
			t.Errorf("%+v", rows)
		}
	})
}

// shownPeople gives the numbers of n persons from the first on, as requests have them.
func shownPeople(first, n int) (all []string) {
	for _, p := range people(first, n) {
		all = append(all, shown(p))
	}
	return all
}

// keepSequences leaves every record that sequences leave, for the check of all records.
func (w *world) keepSequences(do func(method, path string, body, answer any)) {
	w.t.Helper()
	step := func(text string, after map[string]any) map[string]any {
		return map[string]any{"after": after, "message": map[string]any{"type": "text", "text": map[string]any{"body": text}}, "at": nil}
	}
	var q struct{ ID string }
	do(http.MethodPost, "/v1/sequences", map[string]any{
		"name": "Otters", "channel": "wa", "category": "marketing", "lists": []any{"default"},
		"quiet_hours": map[string]any{"from": "03:00", "to": "03:01", "zone": "UTC"},
		"steps":       []any{step("Hi {{name}}", map[string]any{"minutes": 0}), step("later", map[string]any{"days": 2})},
	}, &q)
	path := "/v1/sequences/" + q.ID
	do(http.MethodPost, path+"/subscribers", map[string]any{"subscribers": []any{
		map[string]any{"to": "+447700900001", "params": map[string]any{"name": "Ada"}}, map[string]any{"to": shown(person(8)), "params": map[string]any{"name": "Bo"}},
	}}, nil)
	w.holds("state", `"step":1,"at":`)
	w.holds("commands", `"sequence.facts"`)
	do(http.MethodPatch, path, map[string]any{"name": "Beavers", "quiet_hours": nil}, nil)
	w.holds("commands", `"swept":true`)
	do(http.MethodDelete, path+"/subscribers/"+shown(person(8)), nil, nil)
	do(http.MethodDelete, path, nil, nil)
}
