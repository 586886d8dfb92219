package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestABroadcastIsMadeOfAFile(t *testing.T) {
	var asked []string
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.String()+" "+r.Header.Get("Content-Type")+" "+string(body))
		switch r.URL.RequestURI() {
		case "/v1/audiences?channel=wa":
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprint(w, `{"id":"a1","recipients":1,"refused":1,"refused_lines":[{"line":3,"reason":"odd\u001b[2J"}]}`)
		case "/v1/broadcasts":
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprint(w, `{"id":"b1","status":"planned","totals":{"audience":1,"queued":1}}`)
		case "/v1/broadcasts?dry_run=true":
			_, _ = fmt.Fprint(w, `{"audience":2,"go":1,"skipped":[{"error":"Optout Number","list":"default","count":1}],"rate":80,"seconds":1,
				"tier":{"limit":250,"left":3,"needed":1},"warnings":[{"code":"no_optout_hint","detail":"Say how."}],
				"errors":[{"field":"message.template","code":"unknown","detail":"Is not there."}]}`)
		}
	}))
	defer gateway.Close()
	file := filepath.Join(t.TempDir(), "people.ndjson")
	if err := os.WriteFile(file, []byte(`{"to":"+447700900001"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"broadcast", "create", "--api", gateway.URL, "--token", "key", "--channel", "wa", "--category", "utility", "--list", "default,news"}
	with := func(more ...string) []string { return append(slices.Clip(args), more...) }
	got := command(t, nil, with("--template", "offer:en", "--param", "{{name}}, dear", "--audience", file, "--quiet", "21:00-08:00@Europe/London", "--rate", "2.5")...)
	if got.code != exitFine || !strings.Contains(got.out, "broadcast b1 planned: audience 1, queued 1") || !strings.Contains(got.err, "odd·[2J") {
		t.Errorf("%d %s%s", got.code, got.out, got.err)
	}
	if len(asked) != 2 || asked[0] != `POST /v1/audiences?channel=wa application/x-ndjson {"to":"+447700900001"}` || asked[1] != `POST /v1/broadcasts application/json `+
		`{"audience":{"upload":"a1"},"category":"utility","channel":"wa","lists":["default","news"],"message":{"template":{"components":[{"parameters":`+
		`[{"text":"{{name}}, dear","type":"text"}],"type":"body"}],"language":{"code":"en"},"name":"offer"},"type":"template"},"messages_per_second":2.5,`+
		`"quiet_hours":{"from":"21:00","to":"08:00","zone":"Europe/London"}}` {
		t.Errorf("%q", asked)
	}
	got = command(t, nil, with("--text", "Hi", "--to", "+447700900001", "--dry-run")...)
	if got.code != exitFailed || !strings.Contains(got.out, "1 of 2") || !strings.Contains(got.out, "1 Optout Number, list default") ||
		!strings.Contains(got.out, "Say how. (no_optout_hint)") || !strings.Contains(got.out, "Is not there.") || !strings.Contains(got.err, "refused") {
		t.Errorf("%d %s%s", got.code, got.out, got.err)
	}
	for _, wrong := range [][]string{
		{"--text", "Hi"}, {"--to", "1"}, {"--text", "Hi", "--to", "1", "--segment", "s"}, {"--text", "Hi", "--to", "1", "--quiet", "night"},
		{"--template", "offer", "--to", "1"}, {"--message", "{", "--to", "1"}, {"--message", "@/nowhere", "--to", "1"}, {"--text", "Hi", "--audience", "/nowhere"},
		{"--text", "Hi", "--param", "x", "--to", "1"},
	} {
		if got := command(t, nil, with(wrong...)...); got.code != exitUsage {
			t.Errorf("%q: %d %s", wrong, got.code, got.err)
		}
	}
}
