package api_test

import (
	"errors"
	"strings"
	"testing"

	"optgate/gateway/api"
	"optgate/pipeline/fault"
)

func TestTokensOpenWhatTheirScopesSay(t *testing.T) {
	w := newWorld(t, nil)
	f := func(token, method, path string, status int, code string) {
		t.Helper()
		w.call(t, token, method, path, "{}").is(status, code)
	}
	f("", "GET", "/v1/optout-lists", 401, "unauthorized")
	f("acme", "GET", "/v1/optout-lists", 401, "unauthorized")
	f("acme-readx", "GET", "/v1/optout-lists", 401, "unauthorized")
	f("acme-read", "GET", "/v1/optout-lists", 200, "")
	f("acme-admin", "GET", "/v1/optout-lists", 200, "")
	f("operator", "GET", "/v1/optout-lists", 403, "forbidden")
	f("acme-read", "POST", "/v1/optout-lists/default/entries", 403, "forbidden")
	f("acme-lists", "POST", "/v1/optout-lists/default/entries", 422, "invalid_fields")
	f("acme-lists", "POST", "/v1/broadcasts", 403, "forbidden")
	f("acme-admin", "GET", "/v1/tail/inbound", 403, "forbidden")
	f("acme-admin", "GET", "/v1/dead", 403, "forbidden")
	f("operator", "GET", "/v1/dead", 200, "")
	f("nobody-admin", "GET", "/v1/optout-lists", 404, "unknown_account")
	f("", "GET", "/healthz", 200, "")
	f("", "GET", "/metrics", 200, "")

	basic := w.call(t, "", "GET", "/v1/optout-lists", "", "Authorization", "Basic acme-read").is(401, "unauthorized")
	if basic.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("headers: %v", basic.header)
	}
	if said := w.log.String(); strings.Contains(said, "acme-read") || !strings.Contains(said, `"route":"GET /v1/dead"`) {
		t.Errorf("logged: %s", said)
	}
}

func TestUnknownURLsAndMethods(t *testing.T) {
	w := newWorld(t, nil)
	f := func(token, method, path string, status int, code, allow string) {
		t.Helper()
		if r := w.call(t, token, method, path, "").is(status, code); r.header.Get("Allow") != allow {
			t.Errorf("%s %s: Allow %q", method, path, r.header.Get("Allow"))
		}
	}
	f("", "GET", "/", 404, "not_found", "")
	f("", "GET", "/v1/nothing", 401, "unauthorized", "")
	f("acme-read", "GET", "/v1/nothing", 404, "not_found", "")
	f("acme-read", "GET", "/v1/optout-lists/default/entries/1/2", 404, "not_found", "")
	f("acme-read", "PUT", "/v1/optout-lists/default/entries", 405, "wrong_method", "GET, POST")
	f("", "POST", "/metrics", 405, "wrong_method", "GET")
}

func TestEveryCallIsCounted(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.Calls = 3 })
	for i, path := range []string{"/v1/optout-lists", "/v1/nothing", "/v1/why"} {
		r := w.call(t, []string{"acme-read", "acme-read", ""}[i], "GET", path, "")
		left := r.header.Get("Ratelimit-Remaining")
		if r.header.Get("Ratelimit-Limit") != "3" || left != []string{"2", "1", "0"}[i] || r.header.Get("Ratelimit-Reset") != "30" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
	r := w.call(t, "acme-read", "GET", "/v1/optout-lists", "").is(429, "rate_limited")
	if r.header.Get("Retry-After") == "" || !strings.Contains(string(r.body), "Rate Limit Exceeded") {
		t.Errorf("%v %s", r.header, r.body)
	}
	w.call(t, "", "GET", "/healthz", "").is(200, "")
	w.left = errors.New("redis is away")
	r = w.call(t, "acme-read", "GET", "/v1/optout-lists", "").is(200, "")
	if r.header.Get("Ratelimit-Limit") != "3" {
		t.Errorf("where nobody counts: %v", r.header)
	}
}

func TestErrorsShowOnlyTheirFaceForPeople(t *testing.T) {
	w := newWorld(t, nil)
	w.failed = errors.New("dial 10.0.0.1: refused")
	r := w.call(t, "acme-read", "GET", "/v1/optout-lists", "").is(500, "internal")
	if strings.Contains(string(r.body), "10.0.0.1") || !strings.Contains(w.log.String(), "10.0.0.1") {
		t.Errorf("told %s, logged %s", r.body, w.log.String())
	}
	w.failed = fault.Wrap(errors.New("dial 10.0.0.1: refused"), fault.NotCertain, "not_certain", "Nobody can know.")
	r = w.call(t, "acme-read", "GET", "/v1/optout-lists", "").is(503, "not_certain")
	if r.header.Get("Retry-After") == "" || strings.Contains(string(r.body), "10.0.0.1") {
		t.Errorf("%v %s", r.header, r.body)
	}
	w.call(t, "", "GET", "/healthz", "").is(200, "")
	if r := w.call(t, "", "GET", "/readyz", ""); r.status != 503 || !strings.Contains(string(r.body), "Nobody can know.") {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestMetricsAreText(t *testing.T) {
	r := newWorld(t, nil).call(t, "", "GET", "/metrics", "").is(200, "")
	if string(r.body) != "optgate_shards 2\n" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%v %s", r.header, r.body)
	}
}

func TestBodiesAreReadStrictly(t *testing.T) {
	w := newWorld(t, nil)
	f := func(body string, status int, code, field string) {
		t.Helper()
		r := w.call(t, "acme-lists", "POST", "/v1/optout-lists/default/entries", body).is(status, code)
		if got := strings.Join(r.fields(), ", "); got != field {
			t.Errorf("%s: fields %q, not %q", body, got, field)
		}
	}
	f(`{"to":"+447700900001","channel":"wa","colour":"red"}`, 422, "invalid_field", "colour unknown_field")
	f(`{"to":447700900001,"channel":"wa"}`, 422, "invalid_field", "to wrong_type")
	f(`{"to":"+447700900001"`, 400, "invalid_json", "")
	f(`[]`, 400, "invalid_json", "")
	f(``, 400, "invalid_json", "")
	f(`{"to":"+447700900001","channel":"wa"} {}`, 400, "invalid_json", "")
	f(`{"to":"`+strings.Repeat("1", 64<<10)+`"}`, 413, "too_large", "")
}
