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

// receiver is a gateway that takes imports. The first calls fail as it says.
type receiver struct {
	fails []func(w http.ResponseWriter)
	keys  []string
	files []string
	query []string
}

func (g *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/imports/i1":
		if r.URL.Query().Get("after") == "" {
			_, _ = fmt.Fprint(w, `{"rows":[{"line":2,"reason":"first"}],"next":"1"}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"rows":[{"line":5,"reason":"second\u001b[2J"}]}`)
		return
	case "GET /v1/imports/i1/refused":
		_, _ = fmt.Fprint(w, "line,reason\n2,first\n5,second\n")
		return
	case "POST /v1/imports":
	default:
		problem(w, http.StatusNotFound, `{"code":"not_found","detail":"Nothing here."}`)
		return
	}
	file, _ := io.ReadAll(r.Body)
	g.keys, g.files, g.query = append(g.keys, r.Header.Get("Idempotency-Key")), append(g.files, string(file)), append(g.query, r.URL.RawQuery)
	if len(g.fails) > 0 {
		fail := g.fails[0]
		g.fails = g.fails[1:]
		fail(w)
		return
	}
	refused, rows := 0, ""
	if strings.Contains(string(file), "bad") {
		refused = 2
	}
	if r.URL.Query().Get("dry_run") != "" {
		rows = `,"rows":[{"line":2,"reason":"first"}]`
	} else {
		w.WriteHeader(http.StatusAccepted)
	}
	_, _ = fmt.Fprintf(w, `{"id":"i1","status":"finished","read":3,"added":1,"refused":%d%s}`, refused, rows)
}

func TestAFileIsImportedThroughBreaks(t *testing.T) {
	g := &receiver{fails: []func(http.ResponseWriter){
		func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, // the connection breaks
	}}
	gateway := httptest.NewServer(g)
	defer gateway.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "people.csv")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("to\n+447700900001\n")
	args := []string{"lists", "import", "news", path, "--api", gateway.URL, "--token", "key"}
	got := command(t, nil, args...)
	if got.code != exitFine || !strings.Contains(got.out, "added") || !strings.Contains(got.err, "again") {
		t.Errorf("%d %s%s", got.code, got.out, got.err)
	}
	command(t, nil, args...)
	command(t, nil, append(args, "--channel", "wa")...)
	command(t, nil, append(args, "--again")...)
	write("to\n+447700900002\n")
	command(t, nil, args...)
	if k := g.keys; k[0] == "" || k[0] != k[1] || k[1] != k[2] || k[2] == k[3] || k[2] == k[4] || k[2] == k[5] || g.files[1] != "to\n+447700900001\n" {
		t.Errorf("%q", k)
	}
	g.fails = []func(http.ResponseWriter){func(w http.ResponseWriter) {
		problem(w, http.StatusUnprocessableEntity, `{"code":"no_header","detail":"No header."}`)
	}}
	if got := command(t, nil, args...); got.code != exitFailed || !strings.Contains(got.err, "No header.") || len(g.fails) > 0 {
		t.Errorf("%d %s", got.code, got.err)
	}
	if got := command(t, nil, "lists", "import", "news", filepath.Join(dir, "none.csv")); got.code != exitUsage {
		t.Errorf("%d %s", got.code, got.err)
	}
	nowhere := []string{"lists", "import", "news", path, "--api", "http://127.0.0.1:1"}
	if got := command(t, nil, nowhere...); got.code != exitFailed || !strings.Contains(got.err, "--api") || strings.Contains(got.err, "again") {
		t.Errorf("%d %s", got.code, got.err)
	}

	write("to\nbad\n")
	got = command(t, nil, args...)
	if got.code != exitFailed || !strings.Contains(got.out, "first") || !strings.Contains(got.out, "second·[2J") || !strings.Contains(got.err, "refused: 2") {
		t.Errorf("%d %s%s", got.code, got.out, got.err)
	}
	kept := filepath.Join(dir, "refused.csv")
	for _, more := range [][]string{{"--refused", kept}, {"--refused", kept, "--dry-run"}} {
		got = command(t, nil, append(args, more...)...)
		text, err := os.ReadFile(kept)
		if err != nil || got.code != exitFailed || !strings.HasPrefix(string(text), "line,reason\n2,first\n") || strings.Contains(got.out, "first") {
			t.Errorf("%d %s%s: %s, %v", got.code, got.out, got.err, text, err)
		}
	}
	if q := g.query[len(g.query)-1]; q != "dry_run=true&list=news" {
		t.Error(q)
	}
}
