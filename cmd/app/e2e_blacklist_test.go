package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// blocked waits until acme may not send anything to any of these because they are blocked.
func (w *world) blocked(who ...fake.Person) {
	w.t.Helper()
	for _, p := range who {
		eventually(w.t, "somebody is blocked", func() bool {
			r, ok := w.why("acme", p)
			return ok && !r.Allowed && r.Error == "Blacklisted Number" && r.List == "blacklist"
		})
	}
}

// block puts somebody on acme's blacklist and gives the entry's id.
func (w *world) block(who fake.Person) string {
	w.t.Helper()
	var made struct{ ID, Note, By string }
	if status, answer := w.certainly(http.MethodPost, "/v1/blacklist", acmeToken, map[string]any{"to": shown(who), "channel": "wa", "note": "rude"}, &made); status != http.StatusCreated || made.Note != "rude" || made.By != "all" {
		w.t.Fatalf("block: %d %s", status, answer)
	}
	return made.ID
}

// single asks for a message to somebody, and gives the answer.
func (w *world) single(who fake.Person) (status int, answer string) {
	w.t.Helper()
	return w.certainly(http.MethodPost, "/v1/messages", acmeToken, map[string]any{
		"channel": "wa", "to": shown(who), "category": "utility", "message": map[string]any{"type": "text", "text": map[string]any{"body": "Your table"}},
	}, nil)
}

// TestABlockedPersonIsNeitherWrittenToNorHeard tells of somebody whom acme blocks, with two identifiers: nothing goes out to them,
// no event tells of what they write, their STOP is filed without a word, all of it also after the view was lost; and once
// they are let through, everything works again.
func TestABlockedPersonIsNeitherWrittenToNorHeard(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		ada, bo := both(7700), person(7701)
		w.deliver(fake.Text(acme, ada, "hello there", time.Now()))
		w.holds("events", "hello there")
		id := w.block(phoneOf(ada))
		if status, answer := w.single(phoneOf(ada)); status != http.StatusUnprocessableEntity || !strings.Contains(answer, `"blacklisted"`) {
			t.Errorf("right after the block: %d %s", status, answer)
		}
		if status, answer := w.single(bsuidOf(ada)); status != http.StatusUnprocessableEntity || !strings.Contains(answer, `"blacklisted"`) {
			t.Errorf("right after the block, under the linked identifier: %d %s", status, answer)
		}
		w.blocked(phoneOf(ada), bsuidOf(ada))
		quiet(t, time.Second) // after which every handler knows that acme has a blacklist

		sent := w.broadcast([]fake.Person{phoneOf(ada), bo}, nil)
		w.finished("acme", sent)
		rows := w.report("acme", sent)
		if r := rows[shown(phoneOf(ada))]; r.Status != "Skipped" || r.Error != "Blacklisted Number" || r.List != "blacklist" || !strings.Contains(r.Reason, "blacklist") {
			t.Errorf("row of a blocked person: %+v", r)
		}
		if r := rows[shown(bo)]; r.Status != "Sent" {
			t.Errorf("row of another: %+v", r)
		}
		w.says(ada, "is anybody there")
		w.says(bsuidOf(ada), "STOP")
		w.says(bo, "STOP")
		w.confirmed(bo)
		eventually(t, "the STOP of a blocked person is filed", func() bool { return len(w.personOf(shown(phoneOf(ada))).Optouts) == 2 })

		w.stop()
		if len(on.redis) > 0 {
			on.flush(t)
		}
		w.start() // embedded Redis has forgotten everything
		w.blocked(phoneOf(ada), bsuidOf(ada))
		w.says(ada, "START")
		w.says(bo, "START")
		eventually(t, "another's START is answered", func() bool { return len(w.confirmations(bo)) == 2 })
		if sends := w.meta.To(ada.Phone); len(sends) > 0 {
			t.Errorf("%d messages went to a blocked person", len(sends))
		}
		for _, r := range w.tail("events") {
			if text := string(r.Value); strings.Contains(text, "is anybody there") || strings.Contains(text, ada.BSUID) && strings.Contains(text, `"kind":"item"`) && !strings.Contains(text, "hello there") {
				t.Errorf("an event tells of what a blocked person wrote: %.200s", text)
			}
		}
		var lists struct{ Data []struct{ ID string } }
		w.certainly(http.MethodGet, "/v1/optout-lists", acmeToken, nil, &lists)
		for _, l := range lists.Data {
			if l.ID == "blacklist" {
				t.Error("the blacklist is shown among the lists")
			}
		}

		if status, answer := w.certainly(http.MethodDelete, "/v1/blacklist/"+id, acmeToken, nil, nil); status != http.StatusOK {
			t.Fatalf("let through: %d %s", status, answer)
		}
		w.barred(phoneOf(ada), bsuidOf(ada)) // by the STOP
		w.says(ada, "START")
		w.confirmed(phoneOf(ada))
		w.allowed(phoneOf(ada), bsuidOf(ada))
		if status, answer := w.single(phoneOf(ada)); status != http.StatusAccepted {
			t.Errorf("once let through: %d %s", status, answer)
		}
	})
}

// TestNobodyIsPutOnTheBlacklistByTheWayOfLists asks for it everywhere a list can be named.
func TestNobodyIsPutOnTheBlacklistByTheWayOfLists(t *testing.T) {
	together(t)
	w := begin(t, servers{})
	id := w.block(person(7710))
	f := func(method, path string, body any, want int) {
		t.Helper()
		if status, answer := w.certainly(method, path, acmeToken, body, nil); status != want {
			t.Errorf("%s %s: %d %s", method, path, status, answer)
		}
	}
	f(http.MethodGet, "/v1/optout-lists/blacklist", nil, http.StatusNotFound)
	f(http.MethodPatch, "/v1/optout-lists/blacklist", map[string]any{"name": "x"}, http.StatusNotFound)
	f(http.MethodDelete, "/v1/optout-lists/blacklist?name=Blacklist", nil, http.StatusNotFound)
	f(http.MethodGet, "/v1/optout-lists/blacklist/entries", nil, http.StatusNotFound)
	f(http.MethodDelete, "/v1/optout-lists/blacklist/entries/"+id, nil, http.StatusNotFound)
	f(http.MethodDelete, "/v1/optout-lists/default/entries/"+id, nil, http.StatusNotFound)
	f(http.MethodPost, "/v1/people/+447700907710/optouts", map[string]any{"lists": []any{"blacklist"}, "channel": "wa"}, http.StatusUnprocessableEntity)
	f(http.MethodDelete, "/v1/people/+447700907710/optouts?lists=blacklist&channel=wa", nil, http.StatusUnprocessableEntity)
	f(http.MethodPost, "/v1/unsubscribe-links", map[string]any{"list": "blacklist", "channel": "wa", "recipients": []any{"+447700907711"}}, http.StatusUnprocessableEntity)
	f(http.MethodGet, "/v1/why?channel=wa&to=%2B447700907710&lists=blacklist", nil, http.StatusUnprocessableEntity)
	f(http.MethodPost, "/v1/blacklist", map[string]any{"channel": "wb", "note": strings.Repeat("n", 301)}, http.StatusUnprocessableEntity)
	f(http.MethodPost, "/v1/blacklist", map[string]any{"email": "ada@example.com", "channel": "*"}, http.StatusCreated)
	f(http.MethodDelete, "/v1/blacklist/nobody", nil, http.StatusNotFound)
	var page struct {
		Data []struct{ To, Email, Note string }
	}
	w.certainly(http.MethodGet, "/v1/blacklist?search=7710", acmeToken, nil, &page)
	if len(page.Data) != 1 || page.Data[0].To != "+447700907710" || page.Data[0].Note != "rude" {
		t.Errorf("found: %+v", page.Data)
	}
	for _, format := range []string{"csv", "ndjson"} {
		if _, answer := w.certainly(http.MethodGet, "/v1/blacklist?format="+format, acmeToken, nil, nil); strings.Count(answer, "rude") != 1 || !strings.Contains(answer, "ada@example.com") {
			t.Errorf("export as %s: %s", format, answer)
		}
	}
	var gone struct {
		Removed int
		Unknown []string
	}
	w.certainly(http.MethodPost, "/v1/blacklist/delete", acmeToken, map[string]any{"ids": []any{id, id, "1.wa"}}, &gone)
	if gone.Removed != 1 || len(gone.Unknown) != 2 {
		t.Errorf("let through: %+v", gone)
	}
	w.allowed(person(7710))
}
