package api_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
)

type reported struct {
	To, Given, Status, Error, List, Reason string
	MessageID                              string `json:"message_id"`
	UpdatedAt                              string `json:"updated_at"`
}

func TestAReportHasARowForEachRecipientInEveryFormat(t *testing.T) {
	d := newDesk(t)
	given := append(people(1100), `{"to":"=HYPERLINK(\"x\")"}`, `{"to":"07700 999199"}`)
	var made shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(given...)).is(http.StatusCreated, "").into(&made)
	at := now.Add(time.Second).UnixMilli()
	for n := 1; n <= 600; n++ {
		d.facts[n] = chat.Fact{Status: chat.Sent, MessageID: fmt.Sprint("wamid.", n), At: at}
	}
	d.facts[600] = chat.Fact{Status: chat.Skipped, Error: gate.SkipReason, List: "default", Reason: "on list default for channel wa", At: at}
	d.facts[1101] = chat.Fact{Status: chat.Failed, Error: "Invalid Number", At: at}
	path := "/v1/broadcasts/" + made.ID + "/report"
	page := func(query string) (rows []reported) {
		t.Helper()
		for after := ""; ; {
			var list struct {
				Data []reported
				Next string
			}
			d.call(t, "acme-read", "GET", path+"?"+query+after, "").is(http.StatusOK, "").into(&list)
			rows = append(rows, list.Data...)
			if list.Next == "" {
				return rows
			}
			after = "&after=" + list.Next
		}
	}
	rows := page("limit=97")
	if len(rows) != 1102 {
		t.Fatalf("%d rows", len(rows))
	}
	moment := "2026-11-22T12:00:01.000Z"
	for n, want := range map[int]reported{
		1:    {"+447700900000", "+447700900000", "Sent", "", "", "", "wamid.1", moment},
		600:  {"+447700900599", "+447700900599", "Skipped", "Optout Number", "default", "on list default for channel wa", "", moment},
		601:  {"+447700900600", "+447700900600", "Queued", "", "", "", "", "2026-11-22T12:00:00.000Z"},
		1101: {"", `=HYPERLINK("x")`, "Failed", "Invalid Number", "", "", "", moment},
		1102: {"+447700999199", "07700 999199", "Queued", "", "", "", "", "2026-11-22T12:00:00.000Z"},
	} {
		if diff := cmp.Diff(want, rows[n-1]); diff != "" {
			t.Errorf("row %d: %s", n, diff)
		}
	}
	if some := page("limit=1000&status=Skipped,Failed&format=json"); !slices.Equal(some, []reported{rows[599], rows[1100]}) {
		t.Errorf("rows of two statuses: %v", some)
	}
	if some := page("status=Queued"); len(some) != 501 {
		t.Errorf("%d rows are queued", len(some))
	}

	lines := d.call(t, "acme-read", "GET", path+"?format=ndjson", "").is(http.StatusOK, "")
	var streamed []reported
	for line := range strings.Lines(string(lines.body)) {
		var r reported
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		streamed = append(streamed, r)
	}
	if diff := cmp.Diff(rows, streamed); diff != "" {
		t.Errorf("ndjson: %s", diff)
	}

	sheet := d.call(t, "acme-read", "GET", path+"?format=csv&status=Failed,Skipped", "").is(http.StatusOK, "")
	cells, err := csv.NewReader(strings.NewReader(string(sheet.body))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"to", "given", "status", "error", "list", "reason", "message_id", "updated_at", "line", "sent_at", "delivered_at", "read_at", "failed_at"},
		{"+447700900599", "+447700900599", "Skipped", "Optout Number", "default", "on list default for channel wa", "", moment, "600", "", "", "", ""},
		{"", `'=HYPERLINK("x")`, "Failed", "Invalid Number", "", "", "", moment, "1101", "", "", "", moment},
	}
	if diff := cmp.Diff(want, cells); diff != "" || sheet.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("csv: %s %s", sheet.header.Get("Content-Type"), diff)
	}
}

func TestAReportThatCanNotBeGiven(t *testing.T) {
	d := newDesk(t)
	var made shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(1))).is(http.StatusCreated, "").into(&made)
	path := "/v1/broadcasts/" + made.ID + "/report"
	for _, query := range []string{"format=xml", "status=sent", "limit=0", "limit=1001", "after=x", "after=2"} {
		d.call(t, "acme-read", "GET", path+"?"+query, "").is(http.StatusBadRequest, "invalid_field")
	}
	d.unfolded = fault.New(fault.NotCertain, "not_certain", "behind")
	for _, query := range []string{"", "?format=csv", "?format=ndjson"} {
		d.call(t, "acme-read", "GET", path+query, "").is(http.StatusServiceUnavailable, "not_certain")
	}
	d.call(t, "acme-read", "GET", "/v1/broadcasts/"+made.ID, "").is(http.StatusServiceUnavailable, "not_certain")
}
