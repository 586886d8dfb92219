package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/api"
	"optgate/pipeline/access"
	"optgate/pipeline/stream"
)

// auditEntry is an entry of the audit as the API answers it.
type auditEntry struct {
	At       string
	Token    string
	Operator bool `json:"by_operator"`
	Route    string
	What     map[string]string
	Counts   map[string]int
	Status   int
}

func (w *world) audited(t *testing.T, token, path string) []auditEntry {
	t.Helper()
	var page struct {
		Data []auditEntry
		Next *string
	}
	w.call(t, token, "GET", path, "").is(200, "").into(&page)
	return page.Data
}

func TestEachChangeLeavesAnEntryInTheAudit(t *testing.T) {
	w, wait := clocked(t)
	made := w.makeToken(t, `{"name":"crm","scopes":["lists"]}`)
	wait(time.Second)
	entry := struct{ ID string }{}
	w.call(t, *made.Token, "POST", "/v1/optout-lists/news/entries", `{"to":"+447700900001","channel":"wa"}`).is(201, "").into(&entry)
	wait(time.Second)
	w.call(t, *made.Token, "DELETE", "/v1/optout-lists/news/entries/"+entry.ID, "").is(200, "")
	wait(time.Second)
	w.call(t, "operator", "DELETE", "/v1/tokens/"+made.ID+"?account=acme", "").is(200, "")
	// What only asks, and what is refused, changes nothing.
	w.call(t, "acme-admin", "GET", "/v1/optout-lists", "").is(200, "")
	w.call(t, "acme-admin", "HEAD", "/v1/optout-lists", "")
	w.call(t, "acme-admin", "POST", "/v1/tokens", `{}`).is(422, "invalid_fields")
	w.call(t, "acme-admin", "DELETE", "/v1/tokens/tok_none", "").is(404, "unknown_token")
	w.call(t, "acme-read", "POST", "/v1/tokens", `{}`).is(403, "forbidden")

	want := []auditEntry{
		{"2026-11-22T12:00:03.000Z", "root", true, "DELETE /v1/tokens/{id}", map[string]string{"id": made.ID}, map[string]int{}, 200},
		{
			"2026-11-22T12:00:02.000Z", "crm", false, "DELETE /v1/optout-lists/{list}/entries/{id}",
			map[string]string{"id": entry.ID, "list": "news"}, map[string]int{}, 200,
		},
		{
			"2026-11-22T12:00:01.000Z", "crm", false, "POST /v1/optout-lists/{list}/entries",
			map[string]string{"id": entry.ID, "list": "news"}, map[string]int{}, 201,
		},
		{"2026-11-22T12:00:00.000Z", "all", false, "POST /v1/tokens", map[string]string{"id": made.ID}, map[string]int{}, 201},
	}
	if diff := cmp.Diff(want, w.audited(t, "acme-admin", "/v1/audit")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[:2], w.audited(t, "operator", "/v1/audit?account=acme&since=2026-11-22T12:00:02Z")); diff != "" {
		t.Error(diff)
	}
	for _, who := range []string{"globex-admin", "operator"} {
		if others := w.audited(t, who, "/v1/audit"); len(others) != 0 {
			t.Errorf("%s sees %+v", who, others)
		}
	}
	var page struct {
		Data []auditEntry
		Next string
	}
	w.call(t, "acme-admin", "GET", "/v1/audit?limit=3", "").is(200, "").into(&page)
	if diff := cmp.Diff(want[3:], w.audited(t, "acme-admin", "/v1/audit?after="+page.Next)); diff != "" {
		t.Error(diff)
	}
	w.call(t, "acme-admin", "GET", "/v1/audit?after=%ff%00", "").is(400, "invalid_field")
	w.call(t, "acme-admin", "GET", "/v1/audit?since=yesterday", "").is(400, "invalid_field")
}

// TestTheAuditHoldsNothingPersonal: neither what a body says, nor a number in a path or an answer.
func TestTheAuditHoldsNothingPersonal(t *testing.T) {
	d := newDesk(t)
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(1)), "Idempotency-Key", "447700900099").is(http.StatusCreated, "")
	w := newWorld(t, nil)
	w.call(t, "acme-admin", "POST", "/v1/optout-lists/default/entries", `{"to":"+447700900001","email":"ada@example.com","channel":"*"}`).is(201, "")
	w.call(t, "acme-admin", "POST", "/v1/tokens", `{"name":"crm","scopes":["lists"]}`).is(201, "")
	entries := 0
	look := func(key string, state []byte) {
		if !strings.HasPrefix(key, "audit/") {
			return
		}
		entries++
		for _, personal := range []string{"447700", "7700900", "ada", "example", "og_", "Hi "} {
			if strings.Contains(string(state), personal) {
				t.Errorf("%q stands in %s", personal, state)
			}
		}
	}
	for key, state := range d.states {
		look(key, state)
	}
	for _, states := range w.states {
		for key, state := range states {
			look(key, state)
		}
	}
	if entries != 3 {
		t.Errorf("%d entries", entries)
	}
}

func TestASingleMessageIsNoEntryOfTheAudit(t *testing.T) {
	d := newDesk(t)
	d.call(t, "acme-admin", "POST", "/v1/messages",
		`{"channel":"wa","to":"+447700900001","category":"utility","message":{"type":"text","text":{"body":"Hi"}}}`).is(http.StatusAccepted, "")
	for key := range d.states {
		if strings.HasPrefix(key, "audit/") {
			t.Errorf("%s: %s", key, d.states[key])
		}
	}
}

// unaudited publishes everything but entries of the audit.
type unaudited struct{ *world }

func (u unaudited) Publish(ctx context.Context, records ...*stream.Record) error {
	for _, r := range records {
		if strings.Contains(string(r.Value), access.CommandNote) {
			return errors.New("dial 10.0.0.1: refused")
		}
	}
	return u.world.Publish(ctx, records...)
}

func TestAChangeThatCantBeAuditedIsNotAnswered(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.Publisher = unaudited{o.Publisher.(*world)} })
	r := w.call(t, "acme-admin", "POST", "/v1/tokens", `{"name":"crm","scopes":["read"]}`).is(503, "audit_not_kept")
	if strings.Contains(string(r.body), "og_") || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", r.header, r.body)
	}
	if all := w.tokens(t, "acme-admin", "/v1/tokens"); len(all) != 4 {
		t.Errorf("it says that the change stands: %+v", all)
	}
}
