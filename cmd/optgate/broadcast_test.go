package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// streaming is a gateway whose streams of events are these, one for each call; "": no answer but 503.
func streaming(t *testing.T, streams ...string) (url string, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(*asked)
		*asked = append(*asked, r.URL.Path+" "+r.Header.Get("Last-Event-ID"))
		switch {
		case n >= len(streams):
			problem(w, http.StatusNotFound, `{"code":"not_found","detail":"There is no such broadcast."}`)
		case streams[n] == "":
			problem(w, http.StatusServiceUnavailable, `{"code":"not_certain","detail":"Behind."}`)
		default:
			_, _ = fmt.Fprint(w, streams[n])
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

const begun = "retry: 1\n\n: still here\n\n" +
	"id: a\nevent: progress\ndata: {\"id\":\"b1\",\"status\":\"running\",\"totals\":{\"audience\":4,\"queued\":2,\"sent\":2},\"rate\":2.5,\"seconds_left\":1}\n\n"

func TestABroadcastIsWatchedToItsEndThroughRestarts(t *testing.T) {
	url, asked := streaming(t, begun+"id: half\ndata: {\"sta", "", "id: z\nevent: finished\ndata: {\"id\":\"b1\",\"status\":\"finished\",\"totals\":{\"audience\":4,\"sent\":4}}\n\n")
	got := command(t, nil, "broadcast", "watch", "b1", "--api", url)
	if got.code != exitFine || got.out != "broadcast b1 finished: audience 4, sent 4\n" ||
		!strings.Contains(got.err, "broadcast b1 running: audience 4, queued 2, sent 2, 2/s, 1s left\n") || !strings.Contains(got.err, "Behind") {
		t.Errorf("%d\n%s\n%s", got.code, got.out, got.err)
	}
	if want := []string{"/v1/broadcasts/b1/events ", "/v1/broadcasts/b1/events a", "/v1/broadcasts/b1/events a"}; !slices.Equal(*asked, want) {
		t.Errorf("asked %q", *asked)
	}
}

func TestWatchingEndsWithWhatBecameOfTheBroadcast(t *testing.T) {
	paused := `data: {"id":"b1","status":"paused","totals":{"audience":4},"pause":{"code":"quality","reason":"Meta has paused the template."}}` + "\n\n"
	for name, c := range map[string]struct {
		stream string
		flags  []string
		says   string
	}{
		"cancelled": {`data: {"id":"b1","status":"cancelled","totals":{"audience":4,"cancelled":4}}` + "\n\n", nil, "was cancelled"},
		"being cancelled": {`data: {"id":"b1","status":"cancelled","totals":{"audience":4,"queued":3,"cancelled":1}}` + "\n\n" +
			`data: {"id":"b1","status":"cancelled","totals":{"audience":4,"cancelled":4}}` + "\n\n", nil, "queued 3, cancelled 1\noptgate: the broadcast was cancelled"},
		"paused":                {paused, []string{"--fail-on-pause"}, "is paused: Meta has paused the template."},
		"unknown":               {"retry: 1\n\n", nil, "There is no such broadcast."},
		"paused, and then gone": {"retry: 1\n\n" + paused, nil, "There is no such broadcast."},
		"garbage":               {"retry: 1\n\ndata: {\n\n", nil, "no such broadcast"},
	} {
		url, _ := streaming(t, c.stream)
		if got := command(t, nil, append([]string{"broadcast", "watch", "b1", "--api", url}, c.flags...)...); got.code != exitFailed || !strings.Contains(got.err, c.says) {
			t.Errorf("%s: %d %s%s", name, got.code, got.out, got.err)
		}
	}
}

func TestAReportIsSavedAsItComes(t *testing.T) {
	gateway := gatewayThat(t, "key", map[string]string{
		"/v1/broadcasts/b1/report?error=131026&error=Optout+Number&format=csv&list=news&status=Skipped&status=Failed": "to,given\n+44,+44\n",
		"/v1/broadcasts/b1/duplicates?format=ndjson":                                                                  `{"line":7}` + "\n",
		"/v1/broadcasts/b1":         `{"id":"b1","status":"paused","totals":{"audience":2,"failed":2},"pause":{"code":"quality","reason":"RED"},"errors":[{"error":"131026 x","count":2}],"skipped_by":[{"list":"news","count":1}]}`,
		"/v1/broadcasts?limit=1000": `{"data":[{"id":"b1","status":"paused"}],"next":null}`,
	})
	flags := []string{"--api", gateway.URL, "--token", "key"}
	file := filepath.Join(t.TempDir(), "report.csv")
	save := append([]string{"broadcast", "report", "b1", "--status", "Skipped,Failed", "--error", "131026", "--error", "Optout Number", "--list", "news", "-o", "csv", "--to", file}, flags...)
	if got := command(t, nil, save...); got.code != exitFine {
		t.Fatal(got.err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "to,given\n+44,+44\n" {
		t.Errorf("%q %v", text, err)
	}
	if got := command(t, nil, save...); got.code != exitFailed {
		t.Error("a file that was there is overwritten")
	}
	for _, c := range []struct{ args, says string }{
		{"broadcast report b1 --duplicates -o json", `{"line":7}`},
		{"broadcast show b1", "failed 2; paused (quality): RED\n        2  131026 x\n        1  on list news\n"},
		{"broadcast list", "b1  paused"},
	} {
		if got := command(t, nil, append(strings.Fields(c.args), flags...)...); !strings.Contains(got.out, c.says) {
			t.Errorf("%s: %s%s", c.args, got.out, got.err)
		}
	}
}

func FuzzEventStream(f *testing.F) {
	f.Add(begun)
	f.Add("data\ndata:\n\nid:x\ndata: y\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		e := eventStream{retry: againAfter}
		given := 0
		_ = e.read(strings.NewReader(text), func(data []byte) error { given++; return nil })
		if given > strings.Count(text, "data") || e.retry <= 0 {
			t.Errorf("%d events, retry after %s", given, e.retry)
		}
	})
}
