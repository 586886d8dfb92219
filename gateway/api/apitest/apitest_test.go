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
	page := `{"data":[],"next":null`
	problem := `{"title":"Not Found","status":404,"code":"unknown_letter"`
	f := func(name, method, target string, status int, kind, asked, answer string, documented bool) {
		t.Helper()
		header := http.Header{"Content-Type": {kind}}
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
	const one, report, messages = "/v1/dead", "/v1/broadcasts/b/report?format=", "/v1/messages"
	f("a page", "GET", one, 200, "application/json", "", page+"}", true)
	f("a header is missing", "GET", one, 200, "application/json", "", page+"}", false)
	f("a field too many", "GET", one, 200, "application/json", "", page+`,"colour":"red"}`, false)
	f("a field too few", "GET", one, 200, "application/json", "", `{"data":[]}`, false)
	f("another status", "GET", one, 206, "application/json", "", page+"}", false)
	f("another content type", "GET", one, 200, "text/html", "", page+"}", false)
	f("no such URL", "GET", "/v1/nothing", 200, "application/json", "", page+"}", false)
	f("no such method", "PUT", one, 200, "application/json", "", page+"}", false)
	f("a problem", "GET", one+"/0/1", 404, "application/problem+json", "", problem+"}", true)
	f("a problem where nothing is", "GET", "/v1/nothing", 404, "application/problem+json", "", problem+"}", true)
	f("a code that nobody knows", "GET", one+"/0/1", 404, "application/problem+json", "", strings.Replace(problem, "unknown_letter", "oops", 1)+"}", false)
	f("rows", "GET", report+"csv", 200, "text/csv; charset=utf-8", "", "to,given,status,error,list,reason,message_id,updated_at,line,sent_at,delivered_at,read_at,failed_at\n", true)
	f("other columns", "GET", report+"csv", 200, "text/csv; charset=utf-8", "", "to,given\n", false)
	f("a row", "GET", "/v1/tail/inbound", 200, "application/x-ndjson", "", `{"topic":"x"}`, false)
	f("no rows", "GET", "/v1/tail/inbound", 200, "application/x-ndjson", "", "", true)
	asked := `{"channel":"wa","to":"+44","category":"service","message":{"type":"text","text":{"body":"Hi"}}`
	queued := `{"id":"m.1","status":"queued"}`
	f("a message", "POST", messages, 202, "application/json", asked+"}", queued, true)
	f("what may not be asked is done", "POST", messages, 202, "application/json", asked+`,"colour":"red"}`, queued, false)
}
