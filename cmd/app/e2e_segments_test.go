package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// counted gives how many people a segment that nobody saves holds.
func (w *world) counted(match string, conditions ...map[string]any) (n struct {
	People        int
	OutsideWindow int `json:"outside_window"`
}) {
	w.t.Helper()
	body := map[string]any{"match": match, "conditions": conditions}
	if status, answer := w.certainly(http.MethodPost, "/v1/segments/count?channel=wa", acmeToken, body, &n); status != http.StatusOK {
		w.t.Errorf("count: %d %s", status, answer)
	}
	return n
}

// TestSegmentsHoldContactsListsAndWhoeverWrote keeps contacts, one by one and many at once, saves segments and counts them,
// also after the view was lost.
func TestSegmentsHoldContactsListsAndWhoeverWrote(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		ask := func(method, path string, body, answer any, want int) string {
			t.Helper()
			status, said := w.certainly(method, path, acmeToken, body, answer)
			if status != want {
				t.Fatalf("%s %s: %d %s", method, path, status, said)
			}
			return said
		}
		contacts := []any{map[string]any{"to": "not a number"}}
		for n := range 40 {
			tags := []any{"guest"}
			if n%4 == 0 {
				tags = append(tags, "vip")
			}
			contacts = append(contacts, map[string]any{"to": shown(person(7800 + n)), "tags": tags, "attributes": map[string]any{"table": fmt.Sprint(n % 3)}})
		}
		var many struct {
			Added   int
			Refused []struct{ Index int }
			IDs     []string
		}
		ask(http.MethodPost, "/v1/contacts", map[string]any{"contacts": contacts}, &many, http.StatusOK)
		if many.Added != 40 || len(many.Refused) != 1 || many.Refused[0].Index != 0 || len(many.IDs) != 41 {
			t.Errorf("many: %+v", many)
		}
		var one struct {
			ID   string
			Tags []string
		}
		ask(http.MethodPost, "/v1/contacts", map[string]any{"to": shown(person(7801)), "add_tags": []any{"vip"}}, &one, http.StatusOK)
		if len(one.Tags) != 2 || one.ID != many.IDs[2] {
			t.Errorf("one: %+v", one)
		}
		ask(http.MethodPatch, "/v1/contacts/"+one.ID, map[string]any{"remove_tags": []any{"vip"}, "name": "Ada"}, &one, http.StatusOK)
		ask(http.MethodPatch, "/v1/contacts/1", map[string]any{"name": "Ada"}, nil, http.StatusNotFound)
		if said := ask(http.MethodPatch, "/v1/contacts/"+one.ID, map[string]any{"add_tags": []any{""}, "email": "no"}, nil, http.StatusUnprocessableEntity); !strings.Contains(said, "add_tags[0]") || !strings.Contains(said, `"email"`) {
			t.Error(said)
		}

		ada, stranger := both(7800), person(7899)
		w.deliver(fake.Text(acme, ada, "stop", time.Now()))
		w.deliver(fake.Text(acme, stranger, "STOP", time.Now()))
		w.barred(phoneOf(ada), bsuidOf(ada), stranger)
		vip, guest := map[string]any{"tag": "vip"}, map[string]any{"tag": "guest"}
		out, lately := map[string]any{"list": "default"}, map[string]any{"within": 24}
		table := map[string]any{"attribute": map[string]any{"name": "table", "value": "1"}}
		f := func(people, outside int, match string, conditions ...map[string]any) {
			t.Helper()
			eventually(t, fmt.Sprintf("%s of %v holds %d, %d of them outside", match, conditions, people, outside), func() bool {
				n := w.counted(match, conditions...)
				return n.People == people && n.OutsideWindow == outside
			})
		}
		all := func() {
			t.Helper()
			f(10, 9, "all", vip)
			f(2, 0, "all", out) // ada under two identifiers, and somebody who is no contact
			f(1, 0, "all", vip, out)
			f(41, 39, "any", guest, out)
			f(13, 13, "all", table)
			f(2, 0, "all", lately)
			f(41, 39, "any", lately, guest)
		}
		all()

		var saved struct{ ID string }
		ask(http.MethodPost, "/v1/segments", map[string]any{"name": "Vips", "conditions": []any{vip}}, &saved, http.StatusCreated)
		ask(http.MethodPost, "/v1/segments", map[string]any{"name": "VIPS", "conditions": []any{vip}}, nil, http.StatusConflict)
		said := ask(http.MethodPost, "/v1/segments", map[string]any{"name": "", "match": "most", "conditions": []any{map[string]any{"list": "none"}, map[string]any{}}}, nil, http.StatusUnprocessableEntity)
		for _, field := range []string{`"name"`, `"match"`, "conditions[0].list", "conditions[1]"} {
			if !strings.Contains(said, field) {
				t.Errorf("%s is not named: %s", field, said)
			}
		}
		var n struct{ People int }
		ask(http.MethodGet, "/v1/segments/"+saved.ID+"/count?channel=wa", nil, &n, http.StatusOK)
		if n.People != 10 {
			t.Errorf("vips: %+v", n)
		}
		ask(http.MethodGet, "/v1/segments/"+saved.ID+"/count", nil, nil, http.StatusUnprocessableEntity)

		w.stop()
		if len(on.redis) > 0 {
			on.flush(t)
		}
		w.start()             // embedded Redis has forgotten everything
		f(10, 10, "all", vip) // service windows are regained as people write
		f(2, 2, "all", out)
		f(41, 41, "any", guest, out)
		w.deliver(fake.Text(acme, ada, "hello again", time.Now()))
		f(10, 9, "all", vip)
		ids := 0
		for after := ""; ; {
			var page struct {
				Data []struct{ ID string }
				Next string
			}
			ask(http.MethodGet, "/v1/contacts?tag=vip&limit=3&after="+after, nil, &page, http.StatusOK)
			ids += len(page.Data)
			if after = page.Next; after == "" {
				break
			}
		}
		if ids != 10 {
			t.Errorf("%d vips are paged", ids)
		}
		ask(http.MethodDelete, "/v1/contacts/"+many.IDs[1], nil, nil, http.StatusOK)
		f(9, 9, "all", vip)
		w.barred(phoneOf(ada)) // a contact's end is no opt-in
		ask(http.MethodDelete, "/v1/segments/"+saved.ID, nil, nil, http.StatusOK)
		ask(http.MethodGet, "/v1/segments/"+saved.ID, nil, nil, http.StatusNotFound)
	})
}

// TestABroadcastToASegmentGoesToWhoeverItHoldsThen saves a segment and sends to it: each person once, with the contact's
// attributes, the blocked and the opted out skipped; the segment's end changes nothing.
func TestABroadcastToASegmentGoesToWhoeverItHoldsThen(t *testing.T) {
	together(t)
	w := begin(t, servers{})
	for n := range 6 {
		w.certainly(http.MethodPost, "/v1/contacts", acmeToken, map[string]any{
			"to": shown(person(7750 + n)), "tags": []any{"vip"}, "attributes": map[string]any{"name": fmt.Sprintf("Guest %d", n)},
		}, nil)
	}
	w.block(person(7750))
	w.says(person(7751), "STOP")
	w.barred(person(7751))
	var saved struct{ ID string }
	w.certainly(http.MethodPost, "/v1/segments", acmeToken, map[string]any{"name": "Vips", "match": "any", "conditions": []any{map[string]any{"tag": "vip"}, map[string]any{"list": "default"}}}, &saved)
	id := w.broadcast(nil, map[string]any{"recipients": nil, "audience": map[string]any{"segment": saved.ID}})
	w.certainly(http.MethodDelete, "/v1/segments/"+saved.ID, acmeToken, nil, nil)
	if n := w.finished("acme", id).Totals; n.Audience != 6 || n.Skipped != 2 || n.Sent != 4 {
		t.Errorf("totals: %+v", n)
	}
	rows := w.report("acme", id)
	if rows[shown(person(7750))].Error != "Blacklisted Number" || rows[shown(person(7751))].Error != "Optout Number" || rows[shown(person(7752))].Status != "Sent" {
		t.Errorf("rows: %+v", rows)
	}
	if sends := w.meta.To(person(7753).Phone); len(sends) != 1 || !strings.Contains(string(sends[0].Body), "Guest 3") {
		t.Errorf("sends: %+v", sends)
	}
}
