package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	soundLine  = `{"partition":0,"rows":7,"first_row":1,"last_row":9,"unchained":0,"head":"ab12","heads":1,"ok":true,"problems":0}`
	brokenLine = `{"partition":1,"rows":3,"first_row":1,"last_row":4,"unchained":0,"head":"cd34","heads":0,"ok":false,"problem":{"offset":3,"what":"the chain breaks"},"problems":2}`
)

func TestTheLedgersProofDecidesTheExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		code   int
		says   string
	}{
		"whole":      {soundLine + "\n", exitFine, ""},
		"broken":     {soundLine + "\n" + brokenLine + "\n", exitFailed, "partition 1 at offset 3: the chain breaks"},
		"nothing":    {"", exitFailed, "no partition"},
		"no verdict": {"<html>\n", exitFailed, "read a verdict"},
	} {
		gateway := gatewayThat(t, "key", map[string]string{"/v1/ledger/verify": c.answer})
		got := command(t, nil, "ledger", "verify", "--api", gateway.URL, "--token", "key")
		if got.code != c.code || !strings.Contains(got.err, c.says) {
			t.Errorf("%s: %d %s%s", name, got.code, got.out, got.err)
		}
	}
}

func TestHeadsThatWereKeptAreSentAlong(t *testing.T) {
	const head = `{"day":"2026-11-22","partition":0,"offset":9,"chain":"ab12"}` + "\n"
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || string(body) != head || r.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s %q %v", r.Method, body, err)
		}
		_, _ = fmt.Fprintln(w, soundLine)
	}))
	t.Cleanup(gateway.Close)
	file := filepath.Join(t.TempDir(), "heads")
	if err := os.WriteFile(file, []byte(head), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := command(t, nil, "ledger", "verify", "--heads", file, "--api", gateway.URL); got.code != exitFine || !strings.Contains(got.out, "ab12") {
		t.Errorf("%d %s%s", got.code, got.out, got.err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + "-missing"} {
		if got := command(t, nil, "ledger", "verify", "--heads", name, "--api", gateway.URL); got.code != exitUsage {
			t.Errorf("%s: %d %s", name, got.code, got.err)
		}
	}
}

func TestTheLedgerIsPrintedAsItComes(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		"/v1/ledger?format=csv&list=news&since=7d&to=%2B44": "partition,offset\n0,1\n", "/v1/ledger/heads?since=2026-11-22": "{}\n",
		"/v1/ledger?format=ndjson": `{"partition":0}` + "\n", "/v1/ledger/heads": `{"day":"2026-11-22","partition":1,"offset":7,"chain":"ab"}` + "\n",
	})
	at := []string{"--api", gateway.URL, "--token", "key"}
	if got := command(t, nil, append([]string{"ledger", "export", "--since", "7d", "--list", "news", "--to", "+44"}, at...)...); got.out != "partition,offset\n0,1\n" {
		t.Errorf("%s%s", got.out, got.err)
	}
	if got := command(t, nil, append([]string{"ledger", "heads", "--since", "2026-11-22"}, at...)...); got.out != "{}\n" {
		t.Errorf("%s%s", got.out, got.err)
	}
	if got := command(t, nil, append([]string{"ledger", "export", "-o", "json"}, at...)...); got.out != `{"partition":0}`+"\n" {
		t.Errorf("%s%s", got.out, got.err)
	}
	if got := command(t, nil, append([]string{"ledger", "heads", "-o", "table"}, at...)...); got.out != "DAY         PARTITION  OFFSET  CHAIN\n2026-11-22  1          7       ab\n" {
		t.Errorf("%s%s", got.out, got.err)
	}
}

func TestLettersArePutBackUntilThereAreNoMore(t *testing.T) {
	var asked []string
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked = append(asked, r.URL.Path+" "+string(body))
		next := `"1.5"`
		if strings.Contains(string(body), "1.5") || strings.HasSuffix(r.URL.Path, "/41/replay") {
			next = "null"
		}
		_, _ = fmt.Fprintf(w, `{"replayed":2,"skipped":{"not_replayable":1},"next":%s}`, next)
	}))
	t.Cleanup(gateway.Close)
	got := command(t, nil, "dead", "replay", "--reason", "unknown_channel", "--api", gateway.URL)
	if got.out != "4 put back, 2 skipped (not_replayable)\n" || len(asked) != 2 || !strings.Contains(asked[1], `"after":"1.5"`) || strings.Contains(asked[0], `"until":""`) {
		t.Errorf("%s%s %v", got.out, got.err, asked)
	}
	if got = command(t, nil, "dead", "replay", "3/41", "--api", gateway.URL, "-o", "json"); got.out != `{"replayed":2,"skipped":{"not_replayable":1}}`+"\n" {
		t.Errorf("%s%s", got.out, got.err)
	}
	asked = asked[:2]
	if got = command(t, nil, "dead", "replay", "3/41", "--api", gateway.URL); got.out != "2 put back, 1 skipped (not_replayable)\n" || asked[2] != "/v1/dead/3/41/replay " {
		t.Errorf("%s%s %v", got.out, got.err, asked)
	}
	for _, wrong := range [][]string{{}, {"3/41", "--all"}, {"3"}, {"3/../1"}, {"-1/2"}} {
		if got := command(t, nil, append([]string{"dead", "replay", "--api", gateway.URL}, wrong...)...); got.code != exitUsage {
			t.Errorf("%v: %d %s", wrong, got.code, got.err)
		}
	}
}

func TestWordsAreOnlyEverTried(t *testing.T) {
	var asked string
	answer := `{"progress":{"read":5,"of":9}}` + "\n" + `{"keyword":"Velvet","folded":"velvet","messages":3,"people":2,"opted_out":1}` + "\n"
	totals := `{"totals":{"read":9,"messages":7,"unreadable":0,"people":2,"opted_out":1,"since":"2026-11-15T00:00:00Z","complete":true}}` + "\n"
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked = string(body)
		_, _ = io.WriteString(w, answer+totals)
	}))
	t.Cleanup(gateway.Close)
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, []byte("\ufeffVelvet\r\n\n  otter \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"replay", "--keywords", file, "--since", "3d", "--api", gateway.URL}
	if got := command(t, nil, flags...); got.code != exitUsage || !strings.Contains(got.err, "--dry-run") || asked != "" {
		t.Errorf("%d %s", got.code, got.err)
	}
	got := command(t, nil, append(flags, "--dry-run")...)
	if got.code != exitFine || !strings.Contains(got.out, "Velvet") || !strings.Contains(got.out, "complete") || asked != `{"channel":"","keywords":["Velvet","otter"],"list":"","since":"3d"}` {
		t.Errorf("%d %s%s %s", got.code, got.out, got.err, asked)
	}
	if got := command(t, nil, append(flags, "--dry-run", "-o", "json")...); strings.Count(got.out, "\n") != 2 || strings.Contains(got.out, "progress") {
		t.Errorf("%s%s", got.out, got.err)
	}
	totals = ""
	if got := command(t, nil, append(flags, "--dry-run")...); got.code != exitFailed || !strings.Contains(got.err, "before its totals") {
		t.Errorf("%d %s", got.code, got.err)
	}
}
