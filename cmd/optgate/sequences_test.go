package main

import (
	"strings"
	"testing"
)

func TestSequencesAreShownAndChanged(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		"/v1/sequences?limit=1000":                                 `{"data":[{"id":"seq_1","name":"Welcome","status":"active","channel":"wa","category":"marketing","changed_at":"2026-11-22T10:00:00.000Z"}],"next":null}`,
		"/v1/sequences/seq_1/subscribers?limit=1000&status=active": `{"data":[{"to":"+447700900001","status":"active","subscribed_at":"2026-11-22T10:00:00.000Z","next_step":2,"next_at":"2026-11-23T10:00:00.000Z"}],"next":null}`,
		"/v1/sequences/seq_1/subscribers":                          `{"data":[{"to":"+447700900001","given":"07700 900001","result":"already","error":""},{"to":"","given":"x","result":"refused","error":"must be a phone number"}]}`,
		"/v1/sequences/seq_1/subscribers/+447700900001":            `{"to":"+447700900001","status":"unsubscribed"}`,
		"/v1/sequences/seq_1/report?limit=1000&step=2":             `{"data":[{"to":"+447700900001","step":2,"status":"Skipped","error":"Optout Number","list":"default","reason":"","updated_at":""}],"next":null}`,
	})
	f := func(want string, words ...string) {
		t.Helper()
		got := command(t, nil, append(append([]string{"sequences"}, words...), "--api", gateway.URL, "--token", "key")...)
		if !strings.Contains(got.out, want) || got.code != exitFine {
			t.Errorf("%v: no %q in\n%s%s", words, want, got.out, got.err)
		}
	}
	f("Welcome", "list")
	f("+447700900001", "show", "seq_1", "--status", "active")
	f("+447700900001: already\nx: refused, must be a phone number\n", "subscribe", "seq_1", "07700 900001", "x", "--param", "name=Ada")
	f("+447700900001: unsubscribed\n", "unsubscribe", "seq_1", "+447700900001")
	f("Optout Number", "report", "seq_1", "--step", "2")
}
