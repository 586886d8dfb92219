package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTokensAreMadeShownAndRevoked(t *testing.T) {
	var asked []string
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprint(w, `{"data":[{"id":"tok_1","name":"crm","scopes":["lists","read"],"status":"live"}],"next":null}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"id":"tok_1","token":"og_secret"}`)
	}))
	t.Cleanup(gateway.Close)
	f := func(says, request string, args ...string) {
		t.Helper()
		asked = nil
		got := command(t, []string{}, append(args, "--api", gateway.URL, "--token", "key")...)
		if got.code != exitFine || !strings.Contains(got.out, says) || strings.Join(asked, ", ") != request {
			t.Errorf("%q: %d %s%s asked %q", args, got.code, got.out, got.err, asked)
		}
	}
	f("lists, read", "GET /v1/tokens?limit=1000", "tokens")
	f("og_secret", `POST /v1/tokens?account=acme {"name":"crm","scopes":["read","lists","send"]}`,
		"tokens", "create", "--name", "crm", "--scope", "read,lists", "--scope", "send", "--account", "acme")
	f(`{"id":"tok_1","token":"og_secret"}`, `POST /v1/tokens {"expires_at":"2030-01-31T00:00:00Z","name":"crm","scopes":["read"]}`,
		"tokens", "create", "--name", "crm", "--scope", "read", "--expires", "2030-01-31T01:00:00+01:00", "-o", "json")
	f("tok_1", "DELETE /v1/tokens/"+url.PathEscape("configuration:a b/c"), "tokens", "revoke", "configuration:a b/c")
	f("tok_1", "GET /v1/audit?limit=1000&since=2026-11-22T00%3A00%3A00Z", "audit", "--since", "2026-11-22T00:00:00Z", "-o", "json")
}

func TestWhatIsNoTokenIsWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"tokens", "create", "--scope", "read"},
		{"tokens", "create", "--name", "crm"},
		{"tokens", "create", "--name", "crm", "--scope", "root"},
		{"tokens", "create", "--name", "crm", "--scope", "read", "--expires", "soon"},
		{"tokens", "create", "--name", "crm", "--scope", "read", "--expires", "-3d"},
		{"tokens", "revoke"},
		{"audit", "--since", "yesterday"},
	} {
		if got := command(t, nil, args...); got.code != exitUsage {
			t.Errorf("%q: %d %s", args, got.code, got.err)
		}
	}
}

func TestATimeIsSaidByHowFarItIsAway(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := func(text string, sign int, want string) {
		t.Helper()
		at, err := moment(text, now, sign)
		if got := at.UTC().Format(time.RFC3339); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	f("90d", 1, "2027-02-20T12:00:00Z")
	f("7d", -1, "2026-11-15T12:00:00Z")
	f("36h", 1, "2026-11-24T00:00:00Z")
	f("90m", -1, "2026-11-22T10:30:00Z")
	f("2027-01-31T00:00:00Z", 1, "2027-01-31T00:00:00Z")
	for _, wrong := range []string{"", "d", "0d", "-1d", "1.5d", "-2h", "0s", "2027-01-31", "99999999999999999999d"} {
		if at, err := moment(wrong, now, 1); err == nil {
			t.Errorf("%q is %v", wrong, at)
		}
	}
}
