package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// gatewayThat answers calls of the API with what answers hold, by path and query.
func gatewayThat(t *testing.T, token string, answers map[string]string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, known := answers[r.URL.RequestURI()]
		switch {
		case r.Header.Get("Authorization") != "Bearer "+token:
			problem(w, http.StatusUnauthorized, `{"code":"unauthorized","detail":"Give a known token."}`)
		case !known:
			problem(w, http.StatusNotFound, fmt.Sprintf(`{"code":"not_found","detail":"Nothing at %s."}`, r.URL.RequestURI()))
		default:
			_, _ = fmt.Fprint(w, body)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func problem(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, body)
}

const entriesPath = "/v1/optout-lists/default/entries?"

func TestListsAreReadPageAfterPage(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		entriesPath + "limit=1000&search=44": `{"data":[{"id":"1","to":"+447700900001","channel":"wa","source":"message"}],"next":"c2"}`,
		entriesPath + "after=c2&limit=1000&search=44": `{"data":[{"id":"2","to":null,"email":"a@example.com","channel":"*",
			"source":"api"}],"next":null}`,
	})
	flags := []string{"lists", "entries", "default", "--search", "44", "--api", gateway.URL, "--token", "key"}
	table := command(t, nil, flags...)
	rows := strings.Split(strings.TrimSpace(table.out), "\n")
	if table.code != exitFine || len(rows) != 3 || !strings.HasPrefix(rows[0], "TO") ||
		!strings.Contains(rows[1], "+447700900001") || !strings.Contains(rows[2], "a@example.com") {
		t.Errorf("table: %d %s%s", table.code, table.out, table.err)
	}
	lines := command(t, nil, append(flags, "-o", "json")...)
	if rows := strings.Split(strings.TrimSpace(lines.out), "\n"); len(rows) != 2 ||
		!strings.HasPrefix(rows[0], `{"id":"1"`) || !strings.HasSuffix(rows[1], `"source":"api"}`) {
		t.Errorf("json: %s", lines.out)
	}
}

func TestProblemsBecomePlainWords(t *testing.T) {
	gateway := gatewayThat(t, "key", nil)
	for name, c := range map[string]struct{ token, says string }{
		"refused":  {"key", "Nothing at /v1/dead/0/7. (not_found)"},
		"no token": {"", "OPTGATE_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			got := command(t, nil, "dead", "show", "0", "7", "--api", gateway.URL, "--token", c.token)
			if got.code != exitFailed || !strings.Contains(got.err, c.says) {
				t.Errorf("%d %s", got.code, got.err)
			}
		})
	}
}

func TestTailPrintsRecords(t *testing.T) {
	const line = `{"topic":"inbound","partition":1,"offset":7,"at":"2026-11-22T10:00:00Z","key":"k\u001b[2J","value":{"a":"\u202eb"},"headers":{}}`
	gateway := gatewayThat(t, "key", map[string]string{"/v1/tail/inbound?follow=false&from=end": line + "\n" + line + "\n"})
	flags := []string{"tail", "inbound", "--from", "end", "--api", gateway.URL, "--token", "key"}
	if got := command(t, nil, flags...); got.out != line+"\n"+line+"\n" {
		t.Errorf("where nobody looks, JSON as it came: %q %s", got.out, got.err)
	}
	table := command(t, nil, append(flags, "-o", "table")...)
	if !strings.HasPrefix(table.out, "1/7 ") || strings.ContainsAny(table.out, "\x1b\u202e") {
		t.Errorf("a table shows what it shows and steers nothing: %q", table.out)
	}
}

func TestWhyExplains(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		"/v1/why?category=marketing&channel=wa&lists=default%2Cnews&to=07700+900001": `{"allowed":false,"error":"Optout Number",
			"reason":"On the list Default for channel wa since 2026-11-22 10:00:00 UTC, by the word \"arret\".","list":"default",
			"channel":"wa","since":"2026-11-22T10:00:00Z","source":"message","rule":"arret","link":{"to":"GB.9021","email":null},"history":[
			{"at":"2026-11-22T10:00:00Z","list":"default","channel":"wa","from":"in","to":"out","source":"message","rule":"arret",
			"linked":true,"cause":4}]}`,
	})
	got := command(t, nil, "why", "07700 900001", "--channel", "wa", "--lists", "default,news", "--api", gateway.URL, "--token", "key")
	for _, words := range []string{"would be skipped: Optout Number", "the list Default for channel wa since 2026-11-22 10:00:00 UTC", "came from GB.9021",
		`message "arret"`, "in → out", "another of the person's"} {
		if !strings.Contains(got.out, words) {
			t.Errorf("says nothing of %q:\n%s%s", words, got.out, got.err)
		}
	}
}

func TestReportOfABroadcast(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		"/v1/broadcasts/b1": `{"id":"b1","status":"finished","totals":{"audience":2,"skipped":1,"sent":1,"failed":0}}`,
		"/v1/broadcasts/b1/report?limit=1000&status=Skipped": `{"data":[{"to":"+447700900001","status":"Skipped",
			"error":"Optout Number","list":"default"}],"next":null}`,
	})
	got := command(t, nil, "broadcast", "report", "b1", "--status", "Skipped", "--api", gateway.URL, "--token", "key")
	for _, words := range []string{"broadcast b1 finished: audience 2, skipped 1, sent 1\n", "Optout Number"} {
		if !strings.Contains(got.out, words) {
			t.Errorf("says nothing of %q:\n%s%s", words, got.out, got.err)
		}
	}
}

func TestHealthAsksThePublicListenerOfTheConfiguration(t *testing.T) {
	alive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer alive.Close()
	port := alive.URL[strings.LastIndexByte(alive.URL, ':')+1:]
	environ := []string{"OPTGATE_PUBLIC__LISTEN=0.0.0.0:" + port}
	if got := command(t, environ, "health"); got.code != exitFine {
		t.Errorf("alive: %d %s", got.code, got.err)
	}
	private := []string{"OPTGATE_PRIVATE__LISTEN=:" + port, "OPTGATE_PUBLIC__LISTEN=127.0.0.1:1", "OPTGATE_ROLES=sender"}
	if got := command(t, private, "health"); got.code != exitFine {
		t.Errorf("alive without a public listener: %d %s", got.code, got.err)
	}
	alive.Close()
	if got := command(t, environ, "health"); got.code != exitFailed {
		t.Errorf("gone: %d", got.code)
	}
}
