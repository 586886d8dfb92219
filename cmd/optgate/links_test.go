package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLinksAreMadeForEverybodyWhoCanHaveOne(t *testing.T) {
	var asked []map[string]any
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if r.Method+" "+r.RequestURI != "POST /v1/unsubscribe-links" || json.NewDecoder(r.Body).Decode(&body) != nil {
			problem(w, http.StatusNotFound, `{"code":"not_found","detail":"Nothing here."}`)
			return
		}
		asked = append(asked, body)
		_, _ = fmt.Fprint(w, `{"links":[{"index":0,"to":"+447700900101","email":null,"url":"https://gate.example.com/u/abc","headers":{}}],
			"errors":[{"field":"recipients[1]","code":"invalid_number","detail":"is too short"},{"field":"odd","code":"odd","detail":"\u001b[2J"}]}`)
	}))
	defer gateway.Close()
	flags := []string{"--api", gateway.URL, "--token", "key"}

	got := command(t, nil, append([]string{"links", "offers", "--channel", "wa", "+447700900101", "12"}, flags...)...)
	if got.code != exitFailed || !strings.Contains(got.out, "https://gate.example.com/u/abc") || !strings.Contains(got.out, "TO") ||
		!strings.Contains(got.err, "12: is too short") || !strings.Contains(got.err, "odd: ·[2J") {
		t.Errorf("%d %s%s", got.code, got.out, got.err)
	}
	if a := asked[0]; a["list"] != "offers" || a["channel"] != "wa" || len(a["recipients"].([]any)) != 2 {
		t.Errorf("asked %v", a)
	}
	many := append([]string{"links", "offers", "-o", "json"}, flags...)
	for range 1001 {
		many = append(many, "+447700900101")
	}
	got = command(t, nil, many...)
	if rows := strings.Split(strings.TrimSpace(got.out), "\n"); len(rows) != 2 || !strings.HasPrefix(rows[0], `{"index":0,`) {
		t.Errorf("json: %s", got.out)
	}
	if n := len(asked[1]["recipients"].([]any)) + len(asked[2]["recipients"].([]any)); n != 1001 || asked[1]["channel"] != "*" {
		t.Errorf("%d recipients were asked for, for %v", n, asked[1]["channel"])
	}
}
