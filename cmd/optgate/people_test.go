package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPersonIsShownInATable(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		"/v1/people/07700%20900001?country=GB": `{"kind":"phone","to":"+447700900001","email":null,"known":true,"truncated":true,"aliases":[
			{"kind":"phone","to":"+447700900001","email":null,"links":[{"kind":"bsuid","to":"GB.9021","email":null,
				"since":"2026-11-22T10:00:00Z","by":"webhook"}],"lists":[{"list":"default","name":"Default","channel":"wa",
				"opted_out":true,"since":"2026-11-22T10:00:00Z","source":"message","rule":"stop"}]},
			{"kind":"bsuid","to":"GB.9021","email":null,"links":[],"lists":[]}]}`,
		"/v1/people/psid:1%2F2": `{"kind":"psid","to":"psid:1/2","email":null,"known":false,"aliases":[]}`,
	})
	flags := []string{"--api", gateway.URL, "--token", "key"}
	got := command(t, nil, append([]string{"people", "show", "07700 900001", "--country", "GB"}, flags...)...)
	for _, words := range []string{"+447700900001  Default  channel wa  opted out  2026-11-22 10:00:00 UTC  message \"stop\"", "GB.9021        -",
		"+447700900001 is linked to GB.9021 since 2026-11-22 10:00:00 UTC, by webhook.", "There are more"} {
		if !strings.Contains(got.out, words) {
			t.Errorf("says nothing of %q:\n%s%s", words, got.out, got.err)
		}
	}
	if got := command(t, nil, append([]string{"people", "show", "psid:1/2"}, flags...)...); got.out != "Nothing is known of psid:1/2.\n" {
		t.Errorf("%s%s", got.out, got.err)
	}
}

func TestLiftingTellsWhatStays(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		"/v1/people/+447700900001/optouts": `{"kind":"phone","to":"+447700900001","email":null,"channel":"wa","changed":1,"lists":[
			{"list":"default","name":"Default","changed":true,"entries":[{"name":"Default","channel":"wa","opted_out":false}],
			"remaining":[{"name":"Default","channel":"*","opted_out":true}]}],
			"linked":[{"kind":"bsuid","to":"GB.9021","email":null,"optouts":[{"name":"News","channel":"wa","opted_out":true}]}]}`,
	})
	flags := []string{"+447700900001", "--list", "default", "--channel", "wa", "--api", gateway.URL, "--token", "key"}
	got := command(t, nil, append([]string{"people", "optin"}, flags...)...)
	want := "+447700900001, list Default, channel wa: opted in (changed).\n+447700900001 stays opted out: Default for all channels.\n" +
		"GB.9021 is linked and stays opted out: News for channel wa.\n"
	if got.out != want {
		t.Errorf("%s%s", got.out, got.err)
	}
	if got := command(t, nil, append([]string{"people", "optout"}, flags...)...); strings.Contains(got.out, "linked") || got.code != exitFine {
		t.Errorf("%s%s", got.out, got.err)
	}
	if got := command(t, nil, "people", "optin", "+447700900001"); got.code != exitUsage {
		t.Errorf("no list: %d %s", got.code, got.err)
	}
}

func TestAnExportIsWrittenWholeOrNotAtAll(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{entriesPath + "format=csv&search=44": "to,email,channel,at,source\n"})
	file := filepath.Join(t.TempDir(), "optouts.csv")
	flags := []string{"lists", "export", "default", "--search", "44", "--api", gateway.URL, "--token", "key"}
	if got := command(t, nil, flags...); got.out != "to,email,channel,at,source\n" {
		t.Errorf("%s%s", got.out, got.err)
	}
	if got := command(t, nil, append(flags, "--to", file)...); got.code != exitFine {
		t.Errorf("%s", got.err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "to,email,channel,at,source\n" {
		t.Errorf("%q, %v", text, err)
	}
	if got := command(t, nil, append(flags, "--to", file)...); got.code == exitFine {
		t.Error("a file that is there was overwritten")
	}
}
