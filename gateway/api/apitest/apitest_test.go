package apitest_test

import (
	"net/http"
	"strings"
	"testing"

	"optgate/gateway/api/apitest"
)

// TestWhatIsNotDocumentedIsFound: a check that can't fail proves nothing.
func TestWhatIsNotDocumentedIsFound(t *testing.T) {
	document, err := apitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	list := `{"id":"x","name":"X","description":"","system":false,"keywords":[],"confirmation":"","optin_keywords":[],"optin_message":"",` +
		`"webhook_url":"","channels":["*"],"scope":"channel"`
	problem := `{"title":"Not Found","status":404,"code":"unknown_list"`
	f := func(name, method, target string, status int, kind, asked, answer string, documented bool) {
		t.Helper()
		header := http.Header{"Content-Type": {kind}, "Etag": {`"1"`}}
		for _, h := range []string{"Limit", "Remaining", "Reset"} {
			header.Set("Ratelimit-"+h, "1")
		}
		if header.Set("Ratelimit-Policy", "1;w=60"); name == "a header is missing" {
			header.Del("Ratelimit-Policy")
		}
		err := document.Check(apitest.Exchange{
			Method: method, Target: target, Asked: []byte(asked), Status: status, Header: header, Answer: []byte(answer),
		})
		if (err == nil) != documented {
			t.Errorf("%s: %v", name, err)
		}
	}
	const one, report, entries = "/v1/optout-lists/x", "/v1/broadcasts/b/report?format=", "/v1/optout-lists/x/entries"
	f("a list", "GET", one, 200, "application/json", "", list+"}", true)
	f("a header is missing", "GET", one, 200, "application/json", "", list+"}", false)
	f("a field too many", "GET", one, 200, "application/json", "", list+`,"colour":"red"}`, false)
	f("a field too few", "GET", one, 200, "application/json", "", `{"id":"x"}`, false)
	f("another status", "GET", one, 206, "application/json", "", list+"}", false)
	f("another content type", "GET", one, 200, "text/html", "", list+"}", false)
	f("no such URL", "GET", "/v1/nothing", 200, "application/json", "", list+"}", false)
	f("no such method", "PUT", one, 200, "application/json", "", list+"}", false)
	f("a problem", "GET", one, 404, "application/problem+json", "", problem+"}", true)
	f("a problem where nothing is", "GET", "/v1/nothing", 404, "application/problem+json", "", problem+"}", true)
	f("a code that nobody knows", "GET", one, 404, "application/problem+json", "", strings.Replace(problem, "unknown_list", "oops", 1)+"}", false)
	f("rows", "GET", report+"csv", 200, "text/csv; charset=utf-8", "", "to,given,status,error,list,reason,message_id,updated_at\n", true)
	f("other columns", "GET", report+"csv", 200, "text/csv; charset=utf-8", "", "to,given\n", false)
	f("a row", "GET", "/v1/tail/inbound", 200, "application/x-ndjson", "", `{"topic":"x"}`, false)
	f("no rows", "GET", "/v1/tail/inbound", 200, "application/x-ndjson", "", "", true)
	entry := `{"id":"1.wa","to":"+44","email":null,"channel":"wa","source":"api","since":"2026-11-22T12:00:00Z"}`
	f("an entry", "POST", entries, 201, "application/json", `{"to":"+44","channel":"wa"}`, entry, true)
	f("what may not be asked is done", "POST", entries, 201, "application/json", `{"to":"+44","channel":"wa","colour":"red"}`, entry, false)
}
