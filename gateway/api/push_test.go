package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

const (
	pushURL       = "/app/api/v2/push"
	pushReportURL = "/app/api/v2/delivery-report"
	pushedText    = `{"token":"acme-admin","application":101,"globalmessage":"Hi","data":[{"number":"447700900001"},{"number":447700900002,"message":"Own"},{"number":"junk"},{"number":"447700900001"}]}`
)

// pickyIs checks an answer in Picky's shape: its status, and the code of an error.
func pickyIs(t *testing.T, r reply, status int, code string) reply {
	t.Helper()
	var p struct {
		Status  int
		Message string
		Code    string
	}
	if err := json.Unmarshal(r.body, &p); err != nil || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s", r.header.Get("Content-Type"), r.body)
	}
	said := status
	if status == http.StatusOK {
		said = 100
	}
	if r.status != status || p.Status != said || p.Code != code || p.Message == "" {
		t.Errorf("%d, not %d %q: %s", r.status, status, code, r.body)
	}
	return r
}

func TestAPushIsABroadcastWithItsOwnShapes(t *testing.T) {
	d := newDesk(t)
	r := pickyIs(t, d.call(t, "", "POST", pushURL, pushedText), http.StatusOK, "")
	var said struct {
		ID string `json:"push_id"`
	}
	r.into(&said)
	want := strings.ReplaceAll(`{"status":100,"push_id":"ID","message":"Success","data":[`+
		`{"msg_id":"ID.1","number":"447700900001","credit":"0"},{"msg_id":"ID.2","number":"447700900002","credit":"0"},`+
		`{"msg_id":"ID.3","number":"junk","credit":"0"},{"msg_id":"ID.1","number":"447700900001","credit":"0"}]}`+"\n", "ID", said.ID)
	if diff := cmp.Diff(want, string(r.body)); diff != "" {
		t.Error(diff)
	}
	b, err := d.Broadcast(t.Context(), broadcast.Ref{Account: "acme", ID: said.ID})
	if err != nil || b == nil || b.Status != broadcast.Planned || b.Category != chat.Marketing || !slices.Equal(b.Lists, []string{"default"}) ||
		b.Audience != 3 || b.Duplicates != 1 || b.Priority {
		t.Fatalf("%+v, %v", b, err)
	}
	d.facts[1] = chat.Fact{Status: chat.Read, MessageID: "wamid.1"}
	d.facts[2] = chat.Fact{Status: chat.Skipped, Error: "Optout Number", List: "default"}
	d.facts[3] = chat.Fact{Status: chat.Failed, Error: "131026 Message undeliverable"}
	got := d.call(t, "", "POST", pushReportURL, `{"token":"acme-admin","push_id":"`+said.ID+`"}`)
	want = strings.ReplaceAll(`{"project_id":"acme","push_id":"ID","application":101,"message_type":3,"time":"22-11-2026 12:00 PM","data":[`+
		`{"number":"447700900001","msg_id":"ID.1","status":3,"error_code":"","error_message":""},`+
		`{"number":"447700900002","msg_id":"ID.2","status":2,"error_code":"","error_message":"Optout Number"},`+
		`{"number":"junk","msg_id":"ID.3","status":2,"error_code":"131026","error_message":"Message undeliverable"}]}`+"\n", "ID", said.ID)
	if diff := cmp.Diff(want, string(got.body)); diff != "" || got.status != http.StatusOK {
		t.Error(got.status, diff)
	}
	pickyIs(t, d.call(t, "", "POST", pushReportURL, `{"token":"globex-admin","push_id":"`+said.ID+`"}`), http.StatusNotFound, "not_found")
	pickyIs(t, d.call(t, "", "POST", pushReportURL, `{"token":"acme-admin","push_id":"nothing"}`), http.StatusNotFound, "not_found")
	pickyIs(t, d.call(t, "", "POST", pushReportURL, `{"token":"acme-admin","push_id":7}`), http.StatusUnprocessableEntity, "invalid_field")
	if log := d.log.String(); strings.Contains(log, "447700900001") || strings.Contains(log, "acme-admin") {
		t.Error("a number or a token in the log")
	}
	key := "broadcast/acme/" + said.ID
	d.states[key] = []byte(strings.Replace(string(d.states[key]), `"audience":3`, `"audience":10001`, 1))
	pickyIs(t, d.call(t, "", "POST", pushReportURL, `{"token":"acme-admin","push_id":"`+said.ID+`"}`), http.StatusNotFound, "not_found") // no push is as large
}

func TestAPushLetsInWhoeversTokenTheBodyNames(t *testing.T) {
	d := newDesk(t)
	for _, url := range []string{pushURL, "/api/v2/push", pushReportURL, "/api/v2/delivery-report"} {
		f := func(token string, status int, code string) {
			t.Helper()
			pickyIs(t, d.call(t, "acme-admin", "POST", url, strings.Replace(pushedText, `"acme-admin"`, token, 1)), status, code)
		}
		f(`"wrong"`, http.StatusUnauthorized, "unauthorized")
		f(`""`, http.StatusUnauthorized, "unauthorized")
		f(`null`, http.StatusUnauthorized, "unauthorized")
		f(`["acme-admin"]`, http.StatusUnauthorized, "unauthorized")
		f(`"acme-read"`, http.StatusForbidden, "forbidden")
		f(`"operator"`, http.StatusForbidden, "forbidden")
		pickyIs(t, d.call(t, "acme-admin", "POST", url, `{`), http.StatusBadRequest, "invalid_json")
		pickyIs(t, d.call(t, "acme-admin", "POST", url, `[]`), http.StatusUnauthorized, "unauthorized")
	}
	for key := range d.states {
		if strings.HasPrefix(key, "broadcast/") {
			t.Error("something was planned")
		}
	}
}

func TestPushesThatAreRefused(t *testing.T) {
	d := newDesk(t)
	f := func(body string, status int, code, message string) {
		t.Helper()
		r := pickyIs(t, d.call(t, "", "POST", pushURL, `{"token":"acme-admin",`+body), status, code)
		if !strings.Contains(string(r.body), message) {
			t.Errorf("%.60s: %s", body, r.body)
		}
	}
	data := `"data":[{"number":"447700900001"}]}`
	f(`"globalmessage":"x","application":102,`+data, http.StatusUnprocessableEntity, "invalid_field", "application")
	f(data, http.StatusUnprocessableEntity, "invalid_fields", "data[0].message")
	f(`"globalmessage":"`+strings.Repeat("x", 4097)+`",`+data, http.StatusUnprocessableEntity, "invalid_fields", "globalmessage")
	f(`"globalmedia_code":"AAAA",`+data, http.StatusUnprocessableEntity, "invalid_fields", "media_code_unsupported")
	many := strings.Repeat(`{"number":"447700900001"},`, 10_001)
	f(`"globalmessage":"x","data":[`+many[:len(many)-1]+`]}`, http.StatusRequestEntityTooLarge, "too_many_recipients", "10000 numbers, not 10001")
	d.away = fmt.Errorf("kafka is away")
	f(`"globalmessage":"x",`+data, http.StatusInternalServerError, "internal", "")
}

func TestARepeatedPushGetsTheSameAnswer(t *testing.T) {
	d := newDesk(t)
	post := func(body string) reply { return d.call(t, "", "POST", pushURL, body, "Idempotency-Key", "k") }
	first := post(pushedText)
	if again := post(pushedText); string(again.body) != string(first.body) || again.status != http.StatusOK {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	pickyIs(t, post(strings.Replace(pushedText, "Hi", "Ho", 1)), http.StatusUnprocessableEntity, "idempotency_key_reused")
}

func TestAtMost90PushesAMinute(t *testing.T) {
	d := newDesk(t)
	var mu sync.Mutex
	counts := map[int]int{}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range 60 {
				r := d.call(t, "", "POST", pushURL, pushedText)
				mu.Lock()
				counts[r.status]++
				mu.Unlock()
				if r.status == http.StatusTooManyRequests {
					pickyIs(t, r, http.StatusTooManyRequests, "rate_limited")
					if !strings.Contains(string(r.body), `"message":"Rate Limit Exceeded"`) || r.header.Get("Retry-After") == "" {
						t.Errorf("%v %s", r.header, r.body)
					}
				}
			}
		})
	}
	all.Wait()
	if counts[http.StatusOK] != 90 || counts[http.StatusTooManyRequests] != 30 {
		t.Errorf("%v", counts)
	}
}
