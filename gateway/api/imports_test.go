package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
	"optgate/pipeline/imports"
)

// Imports are read from the states that the world folds.

func (w *world) Import(ctx context.Context, r imports.Ref) (*imports.Import, error) {
	raw, err := w.States(ctx, r.Shard(shards), r.Key())
	if err != nil || raw[0] == nil {
		return nil, err
	}
	i := &imports.Import{}
	return i, json.Unmarshal(raw[0], i)
}

func (w *world) Imports(ctx context.Context, account, after string, limit int) (page []imports.Import, next string, err error) {
	w.mu.Lock()
	var all []string
	for _, states := range w.states {
		for key := range maps.Keys(states) {
			if id, ok := strings.CutPrefix(key, "import/"+account+"/"); ok && id > after {
				all = append(all, id)
			}
		}
	}
	w.mu.Unlock()
	slices.Sort(all)
	for n, id := range all {
		if n == limit {
			return page, all[n-1], nil
		}
		i, err := w.Import(ctx, imports.Ref{Account: account, ID: id})
		if err != nil {
			return nil, "", err
		}
		page = append(page, *i)
	}
	return page, "", nil
}

// until waits until an account's imports are as wanted.
func (w *world) until(t *testing.T, as func(all []imports.Import) bool) {
	t.Helper()
	for {
		w.mu.Lock()
		grown := w.grown
		w.mu.Unlock()
		all, _, err := w.Imports(t.Context(), "acme", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		if as(all) {
			return
		}
		select {
		case <-grown:
		case <-time.After(10 * time.Second):
			t.Fatalf("%+v", all)
		}
	}
}

// imported is what tests look at of an import.
type imported struct {
	ID        string            `json:"id"`
	Status    string            `json:"status"`
	DryRun    bool              `json:"dry_run"`
	Read      int               `json:"read"`
	Added     int               `json:"added"`
	Unchanged int               `json:"unchanged"`
	Stayed    int               `json:"stayed"`
	Refused   int               `json:"refused"`
	Rows      []csvfile.Refusal `json:"rows"`
	Next      string            `json:"next"`
	Truncated bool              `json:"truncated"`
	Ignored   []string          `json:"ignored_columns"`
	Error     struct{ Code string }
}

func (i imported) sums() string {
	return fmt.Sprintf("%s %d = %d + %d + %d + %d", i.Status, i.Read, i.Added, i.Unchanged, i.Stayed, i.Refused)
}

// send imports a file.
func (w *world) send(t *testing.T, query, file string, headers ...string) reply {
	t.Helper()
	return w.call(t, "acme-lists", "POST", "/v1/imports?"+query, file, append([]string{"Content-Type", "text/csv"}, headers...)...)
}

// looked gives an import as it is.
func (w *world) looked(t *testing.T, id string) (i imported) {
	t.Helper()
	w.call(t, "acme-read", "GET", "/v1/imports/"+id, "").is(200, "").into(&i)
	return i
}

func TestAnImportTakesWhatItCanAndRefusesTheRestRowByRow(t *testing.T) {
	w := newWorld(t, nil)
	w.stop(t, "acme", now.Add(-48*time.Hour), "phone:447700900001")
	w.say(t, "acme", false, now.Add(-time.Hour), "phone:447700900002")
	file := "\xef\xbb\xbfEmail;TO;at;Channel;Name\r\n" + // 1
		";07700 900001;;;already out\r\n" + // unchanged
		";+44 7700 900002;2026-11-20;;opted in since\r\n" + // stayed
		";+447700900003;2026-11-22 11:59:00;;new\r\n" + // added
		";+447700900003;;;twice\r\n" + // unchanged
		"ada@Example.com;+447700900004;2026-11-01T10:00:00+01:00;*;both\r\n" + // two added
		"ada@example.com;;;wa;an e-mail on WhatsApp\r\n" + // refused, 7
		";12;;;\"too short,\r\nin two lines\"\r\n" + // refused, 8
		";;;;nobody\r\n" + // refused, 10
		";+447700900005;2027-01-01;;\r\n" + // refused, 11
		";+447700900005;yesterday;;\r\n" + // refused, 12
		";+447700900005;1999-12-31;;\r\n" + // refused, 13
		";+447700900005;;sms;\r\n" + // refused, 14
		";+447700900005\r\n" + // refused, 15
		"no address;;;*;\r\n" + // refused, 16
		"\r\n" +
		";+4477009\xe9;;;\r\n" + // refused, 18
		"ada@example.org;12;;*;one of two\r\n" + // one added, one refused, 19
		";US.13491208655302741918;;;\r\n" // added
	var dry, said imported
	w.send(t, "list=news&channel=wa&dry_run=true", file).is(200, "").into(&dry)
	if got, want := dry.sums(), "finished 19 = 7 + 1 + 0 + 11"; got != want {
		t.Errorf("dry run of another list: %s, not %s", got, want)
	}
	w.send(t, "list=default&channel=wa&dry_run=true", file).is(200, "").into(&dry)
	answer := w.send(t, "list=default&channel=wa", file).is(202, "")
	answer.into(&said)
	if at := answer.header.Get("Location"); at != "/v1/imports/"+said.ID {
		t.Error(at)
	}
	i := w.looked(t, said.ID)
	for name, got := range map[string]imported{"a dry run": dry, "the answer": said, "afterwards": i} {
		if got, want := got.sums(), "finished 19 = 5 + 2 + 1 + 11"; got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
	if !dry.DryRun || i.DryRun || fmt.Sprint(i.Ignored, dry.Ignored) != "[Name] [Name]" {
		t.Errorf("%v %v", i.Ignored, dry.Ignored)
	}
	if fmt.Sprint(dry.Rows) != fmt.Sprint(i.Rows) {
		t.Errorf("%v\n%v", dry.Rows, i.Rows)
	}
	var lines []int
	for _, row := range i.Rows {
		lines = append(lines, row.Line)
		if row.Reason == "" || strings.Contains(row.Reason, "7700") || strings.Contains(row.Reason, "12") && row.Line == 8 {
			t.Errorf("line %d: %s", row.Line, row.Reason)
		}
	}
	if fmt.Sprint(lines) != "[7 8 10 11 12 13 14 15 16 18 19]" {
		t.Errorf("refused are lines %v", lines)
	}
	if log := w.log.String(); strings.Contains(log, "7700") || strings.Contains(log, "ada@") {
		t.Error("the log holds what the file holds")
	}
	for to, out := range map[string]bool{"%2B447700900001": true, "%2B447700900002": false, "%2B447700900003": true, "%2B447700900004": true} {
		var why struct{ Allowed bool }
		w.call(t, "acme-read", "GET", "/v1/why?channel=wa&category=marketing&to="+to, "").is(200, "").into(&why)
		if why.Allowed == out {
			t.Errorf("%s is allowed: %v", to, why.Allowed)
		}
	}
}

func TestRefusedRowsArePagedAndStreamed(t *testing.T) {
	w := newWorld(t, nil)
	var i imported
	w.send(t, "list=default&channel=wa", "to\n"+strings.Repeat("12\n", 12_345)).is(202, "").into(&i)
	i = w.looked(t, i.ID)
	if len(i.Rows) != 10_000 || i.Refused != 12_345 || i.Next != "10000" || i.Rows[9999].Line != 10_001 {
		t.Fatalf("%d of %d, next %q", len(i.Rows), i.Refused, i.Next)
	}
	var rest imported
	w.call(t, "acme-read", "GET", "/v1/imports/"+i.ID+"?after="+i.Next, "").is(200, "").into(&rest)
	if len(rest.Rows) != 2345 || rest.Next != "" || rest.Rows[0].Line != 10_002 {
		t.Errorf("%d, next %q", len(rest.Rows), rest.Next)
	}
	w.call(t, "acme-read", "GET", "/v1/imports/"+i.ID+"?limit=3&after=998", "").is(200, "").into(&rest)
	if len(rest.Rows) != 3 || rest.Next != "1001" || rest.Rows[2].Line != 1002 {
		t.Errorf("%v, next %q", rest.Rows, rest.Next)
	}
	for format, lines := range map[string]int{"?format=csv": 12_346, "?format=ndjson": 12_345, "": 12_346} {
		answer := w.call(t, "acme-read", "GET", "/v1/imports/"+i.ID+"/refused"+format, "").is(200, "")
		if n := bytes.Count(answer.body, []byte{'\n'}); n != lines {
			t.Errorf("%q: %d lines", format, n)
		}
	}
	w.call(t, "acme-read", "GET", "/v1/imports/"+i.ID+"/refused?format=xml", "").is(400, "invalid_field")
	w.call(t, "acme-read", "GET", "/v1/imports/"+i.ID+"?limit=10001", "").is(400, "invalid_field")
	w.call(t, "acme-read", "GET", "/v1/imports/"+i.ID+"?after=-1", "").is(400, "invalid_field")
	var dry imported
	w.send(t, "list=default&channel=wa&dry_run=1", "to\n"+strings.Repeat("12\n", 12_345)).is(200, "").into(&dry)
	if len(dry.Rows) != 10_000 || !dry.Truncated || dry.Refused != 12_345 {
		t.Errorf("%d of %d", len(dry.Rows), dry.Refused)
	}
}

func TestWhatIsNoImport(t *testing.T) {
	w := newWorld(t, nil)
	file := "to\n+447700900001\n"
	for query, f := range map[string]struct {
		status int
		code   string
	}{
		"":                                     {400, "invalid_field"},
		"list=nothing&channel=wa":              {404, "unknown_list"},
		"list=meta&channel=wa":                 {422, "invalid_field"},
		"list=default&channel=sms":             {422, "invalid_field"},
		"list=default&channel=wb":              {422, "invalid_field"},
		"list=default&channel=wa&country=UK":   {422, "invalid_field"},
		"list=default&channel=wa&feed=perhaps": {400, "invalid_field"},
		"list=default&channel=wa&dry_run=2":    {400, "invalid_field"},
	} {
		w.send(t, query, file).is(f.status, f.code)
	}
	for _, dry := range []string{"", "&dry_run=true"} {
		for file, code := range map[string]string{
			"": "empty_file", "to\n": "no_rows", "to\n\n \n": "no_rows", "+447700900001\n": "no_header", "\x00\x01": "not_csv", "\xff\xfet\x00": "not_utf8",
		} {
			w.send(t, "list=default&channel=wa"+dry, file).is(422, code)
		}
	}
	w.send(t, "list=default&channel=wa", file, "Content-Type", "multipart/form-data; boundary=x").is(422, "not_csv")
	w.send(t, "list=default&channel=wa", file, "Content-Encoding", "br").is(422, "unknown_encoding")
	w.send(t, "list=default&channel=wa", file, "Content-Encoding", "gzip").is(422, "bad_gzip")
	w.send(t, "list=default&channel=wa", file, "Idempotency-Key", strings.Repeat("k", 256)).is(400, "invalid_idempotency_key")
	w.call(t, "acme-read", "POST", "/v1/imports?list=default", file).is(403, "forbidden")
	w.call(t, "acme-read", "GET", "/v1/imports/nothing", "").is(404, "unknown_import")
	var page struct{ Data []imported }
	w.call(t, "acme-read", "GET", "/v1/imports", "").is(200, "").into(&page)
	if len(page.Data) != 0 {
		t.Errorf("%d imports were made", len(page.Data))
	}
	var i imported
	w.send(t, "list=default&channel=wa", file).is(202, "").into(&i)
	w.call(t, "globex-admin", "GET", "/v1/imports/"+i.ID, "").is(404, "unknown_import")
	w.call(t, "globex-admin", "GET", "/v1/imports/"+i.ID+"/refused", "").is(404, "unknown_import")
	w.call(t, "acme-read", "GET", "/v1/imports", "").is(200, "").into(&page)
	if len(page.Data) != 1 || page.Data[0].ID != i.ID {
		t.Errorf("%+v", page)
	}
}

func TestAnImportMayBePackedAndForAnotherCountry(t *testing.T) {
	w := newWorld(t, nil)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, "to\n"+strings.Repeat("06 12 34 56 78\n", 1000))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var i imported
	w.send(t, "list=default&channel=wa&country=FR", packed.String(), "Content-Encoding", "gzip").is(202, "").into(&i)
	if got := i.sums(); got != "finished 1000 = 1 + 999 + 0 + 0" {
		t.Error(got)
	}
	w.send(t, "list=default&channel=wa&country=FR", packed.String()[:packed.Len()-9], "Content-Encoding", "gzip").is(422, "bad_gzip")
}

func TestTheSameKeyIsTheSameImport(t *testing.T) {
	w := newWorld(t, nil)
	file := "to,at\n+447700900001,\n+447700900002,2026-11-01\n12,\n"
	var first, again imported
	w.send(t, "list=default&channel=wa", file, "Idempotency-Key", "k").is(202, "").into(&first)
	w.send(t, "list=default&channel=wa", file, "Idempotency-Key", "k").is(202, "").into(&again)
	if first.ID != again.ID || again.sums() != "finished 3 = 2 + 0 + 0 + 1" || first.sums() != again.sums() {
		t.Errorf("%+v, then %+v", first, again)
	}
	var page struct{ Data []imported }
	if w.call(t, "acme-read", "GET", "/v1/imports?key=k", "").is(200, "").into(&page); len(page.Data) != 1 || page.Data[0].ID != first.ID {
		t.Errorf("under its key: %+v", page)
	}
	for token, key := range map[string]string{"acme-read": "l", "globex-admin": "k"} {
		if w.call(t, token, "GET", "/v1/imports?key="+key, "").is(200, "").into(&page); len(page.Data) != 0 {
			t.Errorf("under %s of %s: %+v", key, token, page)
		}
	}
	for query, file := range map[string]string{
		"list=news&channel=wa":               file,
		"list=default&channel=*":             file,
		"list=default&channel=wa&feed=false": file,
		"list=default&channel=wa":            "to,at\n+447700900001,\n+447700900003,2026-11-01\n12,\n",
		"list=default&channel=wa&country=FR": file,
	} {
		w.send(t, query, file, "Idempotency-Key", "k").is(422, "idempotency_key_reused")
	}
	if i := w.looked(t, first.ID); i.sums() != first.sums() {
		t.Errorf("%+v", i)
	}
}

func TestAnImportThatBreaksOffSaysSoAndGoesOn(t *testing.T) {
	w := newWorld(t, nil)
	var file strings.Builder
	file.WriteString("to\n12\n")
	for n := range 3000 {
		fmt.Fprintf(&file, "+4477009%05d\n", n)
	}
	half := file.String()[:file.Len()/2]
	request := func(body io.Reader) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/imports?list=default&channel=wa", body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(file.Len())
		req.Header.Set("Authorization", "Bearer acme-lists")
		req.Header.Set("Idempotency-Key", "k")
		return new(http.Client).Do(req) //nolint:bodyclose // there is none
	}
	if _, err := request(strings.NewReader(half)); err == nil {
		t.Fatal("half a file was a whole one")
	}
	w.until(t, func(all []imports.Import) bool { return len(all) == 1 && all[0].Status != imports.Running })
	var page struct{ Data []imported }
	w.call(t, "acme-read", "GET", "/v1/imports", "").is(200, "").into(&page)
	i := page.Data[0]
	if i.Status != "failed" || i.Error.Code != "broken_off" || i.Added == 0 || i.Added >= 3000 {
		t.Fatalf("%+v", i)
	}
	var noted []auditEntry // what was filed stays, and somebody did it
	w.until(t, func([]imports.Import) bool {
		noted = w.audited(t, "acme-admin", "/v1/audit")
		return len(noted) > 0
	})
	if len(noted) != 1 || noted[0].What["id"] != i.ID || noted[0].Status/100 == 2 {
		t.Errorf("%+v", noted)
	}
	var whole imported
	w.send(t, "list=default&channel=wa", file.String(), "Idempotency-Key", "k").is(202, "").into(&whole)
	if whole.ID != i.ID || whole.sums() != "finished 3001 = 3000 + 0 + 0 + 1" {
		t.Errorf("%+v", whole)
	}
	if again := w.looked(t, i.ID); again.sums() != whole.sums() || len(again.Rows) != 1 {
		t.Errorf("%+v", again)
	}
}

func TestOnlySoManyImportsAreReadAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	var held []*io.PipeWriter
	ended := make(chan int, 2)
	for range 2 {
		from, to := io.Pipe()
		held = append(held, to)
		go func() {
			req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/imports?list=default&channel=wa", from)
			if err != nil {
				t.Error(err)
			}
			req.Header.Set("Authorization", "Bearer acme-lists")
			resp, err := new(http.Client).Do(req)
			if err != nil {
				t.Error(err)
				ended <- 0
				return
			}
			_ = resp.Body.Close()
			ended <- resp.StatusCode
		}()
		if _, err := io.WriteString(to, "to\n+447700900001\n"); err != nil {
			t.Fatal(err)
		}
	}
	w.until(t, func(all []imports.Import) bool { return len(all) == 2 }) // both have begun
	w.send(t, "list=default&channel=wa", "to\n+447700900001\n").is(503, "busy")
	for _, to := range held {
		_ = to.Close()
	}
	if a, b := <-ended, <-ended; a != 202 || b != 202 {
		t.Errorf("%d, %d", a, b)
	}
	w.send(t, "list=default&channel=wa", "to\n+447700900001\n").is(202, "")
}

func TestADryRunIsCertainOrNone(t *testing.T) {
	w := newWorld(t, nil)
	w.send(t, "list=default&channel=wa&dry_run=true", "to\n+447700900001\n").is(200, "")
	w.failed = fault.New(fault.NotCertain, "not_certain", "Nobody knows.")
	w.send(t, "list=default&channel=wa&dry_run=true", "to\n+447700900001\n").is(503, "not_certain")
}
