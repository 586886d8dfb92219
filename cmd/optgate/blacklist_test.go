package main

import (
	"strings"
	"testing"
)

func TestTheBlacklistContactsAndSegmentsAreShown(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		"/v1/blacklist?limit=1000&search=0900": `{"data":[{"id":"7.wa","to":"+447700900001","email":null,"channel":"wa","source":"api",
			"since":"2026-11-22T10:00:00Z","note":"rude","by":"ops"}],"next":null}`,
		"/v1/blacklist/7.wa":              `{"id":"7.wa","to":"+447700900001"}`,
		"/v1/blacklist":                   `{"id":"8.*","email":"ada@example.com"}`,
		"/v1/contacts?limit=1000&tag=vip": `{"data":[{"id":"7","to":"+447700900001","email":null,"name":"Ada","tags":["bar","vip"],"categories":[]}],"next":null}`,
		"/v1/contacts":                    `{"id":"7","name":"Ada"}`,
		"/v1/contacts/7":                  `{"id":"7"}`,
		"/v1/segments?limit=1000":         `{"data":[{"id":"s","name":"Vips","match":"all","conditions":[{"tag":"vip"}]}],"next":null}`,
		"/v1/segments/s/count?channel=wa": `{"people":10,"outside_window":9}`,
	})
	f := func(words string, args ...string) {
		t.Helper()
		if got := command(t, nil, append(args, "--api", gateway.URL, "--token", "key")...); got.code != exitFine || !strings.Contains(got.out, words) {
			t.Errorf("%v: %d %s%s", args, got.code, got.out, got.err)
		}
	}
	f("rude", "blacklist", "--search", "0900")
	f("7.wa", "blacklist", "remove", "7.wa")
	f("ada@example.com", "blacklist", "add", "ada@example.com", "--channel", "*", "--note", "rude")
	f("bar, vip", "contacts", "--tag", "vip")
	f("Ada", "contacts", "set", "07700 900001", "--name", "Ada", "--tag", "vip,bar", "--untag", "new", "--attribute", "table=7;bar=")
	f("7", "contacts", "remove", "7")
	f(`[{"tag":"vip"}]`, "segments")
	f("people", "segments", "count", "s", "--channel", "wa")
	if got := command(t, nil, "blacklist", "add", "+447700900001"); got.code != exitUsage {
		t.Errorf("no channel: %d %s", got.code, got.err)
	}
}
