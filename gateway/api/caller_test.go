package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// reply is an answer of the API.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// call makes one call; body is JSON, or "".
func (w *world) call(t *testing.T, token, method, path, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it is read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{t, resp.StatusCode, resp.Header, text}
}

// is checks status and problem code; "" where it is no problem.
func (r reply) is(status int, code string) reply {
	r.t.Helper()
	var p struct {
		Code   string `json:"code"`
		Status int    `json:"status"`
	}
	kind := "application/problem+json"
	if code != "" && (json.Unmarshal(r.body, &p) != nil || r.header.Get("Content-Type") != kind || p.Status != status) {
		r.t.Errorf("no problem: %s %s", r.header.Get("Content-Type"), r.body)
	}
	if r.status != status || p.Code != code {
		r.t.Errorf("%d %q, not %d %q: %s", r.status, p.Code, status, code, r.body)
	}
	return r
}

// into reads the answer.
func (r reply) into(v any) {
	r.t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		r.t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
}

// fields gives the fields that a problem names.
func (r reply) fields() (names []string) {
	r.t.Helper()
	var p struct {
		Errors []fault.Field `json:"errors"`
	}
	r.into(&p)
	for _, f := range p.Errors {
		names = append(names, f.Field+" "+f.Code)
	}
	return names
}

// stop opts a person out as a message would.
func (w *world) stop(t *testing.T, account string, at time.Time, who ...chat.Identifier) {
	t.Helper()
	w.say(t, account, true, at, who...)
}

func (w *world) say(t *testing.T, account string, out bool, at time.Time, who ...chat.Identifier) {
	t.Helper()
	channel := map[string]string{"acme": "wa", "globex": "wb"}[account]
	change := optout.Change{Out: out, Linked: len(who) > 1, Marks: []optout.Mark{{
		List: "default", Channel: channel, At: at.UnixMilli(), Source: optout.SourceMessage, Rule: "stop",
	}}}
	for _, id := range who {
		change.Who = append(change.Who, optout.Ref{ID: id, P: key(account).Pseudonym(id)})
	}
	records, err := change.Records(shards, fmt.Sprint(who, at, out), account, at.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
}
