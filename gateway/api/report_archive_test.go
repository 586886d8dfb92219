package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/api"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// kept is a partition of outcomes that begins at an offset.
type kept struct {
	*desk
	first   int64
	records []stream.Record
}

func (k *kept) Ends(context.Context, stream.Topic, int) (first, end int64, err error) {
	return k.first, k.first + int64(len(k.records)), nil
}

func (k *kept) Read(ctx context.Context, _ stream.Topic, _ int, from, to int64, each func(stream.Record) error) error {
	if from < k.first {
		return fmt.Errorf("gone: %w", stream.ErrTruncated)
	}
	for _, r := range k.records[from-k.first : to-k.first] {
		if err := each(r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (k *kept) add(key string, headers []stream.Header, value any) int64 {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	at := k.first + int64(len(k.records))
	k.records = append(k.records, stream.Record{Offset: at, Key: []byte(key), Headers: headers, Value: raw})
	return at
}

func (k *kept) tell(id string, row int, status chat.Status, at int64) {
	ref := broadcast.Ref{Account: "acme", ID: id}
	f := chat.Fact{V: 1, ID: ref.MessageID(row), Account: "acme", Broadcast: id, Row: row, Status: status, At: at}
	k.add(id, f.Headers(), f)
}

// A report that is read back from outcomes is the one that was there before, with what was told since.
func TestAReportIsReadBackFromOutcomes(t *testing.T) {
	k := &kept{desk: emptyDesk(), first: 1000}
	k.world = newWorld(t, func(o *api.Options) {
		o.States, o.Topics, o.Publisher, o.Answers = k, k, k.desk, k.desk
		o.Broadcast = k.options()
	})
	const pages, each = 50, 7
	ref := broadcast.Ref{Account: "acme", ID: "old"}
	b := broadcast.Broadcast{V: 1, Account: "acme", ID: "old", Status: broadcast.Finished, Created: 5}
	b.Channel, b.Category, b.Lists, b.EndsAt = "wa", "marketing", []string{"default"}, 9
	b.Audience, b.Duplicates = pages*each, pages
	a := &broadcast.Archived{From: 1000, Pages: pages}
	headers := func(n int) []stream.Header {
		return stream.CloudEvent(stream.TypeArchive, "acme", fmt.Sprint("old/archive/", n), 1)
	}
	var want []reported
	for n := range pages {
		p := broadcast.ArchivedPage{V: 1, Kind: "archive", Account: "acme", Broadcast: "old", Page: n}
		for i := range each {
			row := n*each + i + 1
			to := fmt.Sprintf("+4477009%05d", row)
			o := broadcast.Outcome{Status: chat.Sent, At: 7, Sent: 7}
			if row%10 == 0 {
				o = broadcast.Outcome{Status: chat.Skipped, Error: "Optout Number", List: "default", At: 6}
			}
			p.Rows = append(p.Rows, broadcast.ArchivedRow{N: row, To: to, Given: to, Line: row, Outcome: o})
			want = append(want, reported{To: to, Given: to, Status: string(o.Status), Error: o.Error, List: o.List, UpdatedAt: fmt.Sprintf("1970-01-01T00:00:00.00%dZ", o.At)})
		}
		p.Repeats = []broadcast.Repeat{{Line: 5000 + n, Given: "again", Of: n*each + 1}}
		at := k.add("old", headers(n), p)
		if n%broadcast.MarkEvery == 0 {
			a.Marks = append(a.Marks, broadcast.Mark{Row: n*each + 1, Offset: at})
		}
		copied := p // another runner's, which begins anew
		copied.Page = n / 2
		k.add("old", headers(n/2), copied)
		k.tell("other", 1, chat.Read, 1)
	}
	a.To = k.first + int64(len(k.records))
	a.Counts = []broadcast.Count{{Status: chat.Sent, N: 315}, {Status: chat.Skipped, Error: "Optout Number", List: "default", N: 35}}
	b.Archived = a
	raw, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	k.states[ref.Key()] = raw

	type page struct {
		Data  []reported
		Next  string
		Total int
	}
	path := "/v1/broadcasts/old/report"
	all := func(query string) (rows []reported) {
		t.Helper()
		for after := ""; ; {
			var p page
			k.call(t, "acme-read", "GET", path+"?limit=40&"+query+after, "").is(http.StatusOK, "").into(&p)
			rows = append(rows, p.Data...)
			if p.Next == "" {
				return rows
			}
			after = "&after=" + p.Next
		}
	}
	check := func(sent, read, skipped int) {
		t.Helper()
		if diff := cmp.Diff(want, all("")); diff != "" {
			t.Fatal(diff)
		}
		var streamed []reported
		for line := range strings.Lines(string(k.call(t, "acme-read", "GET", path+"?format=ndjson", "").is(http.StatusOK, "").body)) {
			var r reported
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			streamed = append(streamed, r)
		}
		if diff := cmp.Diff(want, streamed); diff != "" {
			t.Fatal(diff)
		}
		var shown struct{ Totals broadcast.Totals }
		k.call(t, "acme-read", "GET", "/v1/broadcasts/old", "").is(http.StatusOK, "").into(&shown)
		if s := shown.Totals; s.Sent != sent || s.Read != read || s.Skipped != skipped || s.Queued != 0 || s.Audience != pages*each {
			t.Errorf("totals %+v", s)
		}
		if rows := all("status=Read"); len(rows) != read {
			t.Errorf("%d rows are read", len(rows))
		}
	}
	check(315, 0, 35)
	for _, row := range []int{1, 1, 349, 141} {
		k.tell("old", row, chat.Read, 9)
		want[row-1].Status, want[row-1].UpdatedAt = "Read", "1970-01-01T00:00:00.009Z"
	}
	k.tell("old", 2, chat.Unknown, 9) // changes nothing
	check(312, 3, 35)
	k.tell("old", 10, chat.Delivered, 9) // of somebody who was skipped: facts fold by rank
	want[9] = reported{To: want[9].To, Given: want[9].Given, Status: "Delivered", UpdatedAt: "1970-01-01T00:00:00.009Z"}
	check(312, 3, 34)
	if rows := all("list=default"); len(rows) != 34 || slices.ContainsFunc(rows, func(r reported) bool { return r.Status != "Skipped" }) {
		t.Errorf("%d rows are barred by the list", len(rows))
	}

	var lines []int
	for after := ""; ; {
		var p struct {
			Data []struct {
				Line  int
				First int `json:"first_line"`
			}
			Next string
		}
		k.call(t, "acme-read", "GET", "/v1/broadcasts/old/duplicates?limit=9"+after, "").is(http.StatusOK, "").into(&p)
		for _, r := range p.Data {
			lines = append(lines, r.Line)
		}
		if p.Next == "" {
			break
		}
		after = "&after=" + p.Next
	}
	if len(lines) != pages || !slices.IsSorted(lines) {
		t.Errorf("duplicates %v", lines)
	}

	k.first, k.records = 1010, k.records[10:] // retention is over
	k.call(t, "acme-read", "GET", path, "").is(http.StatusNotFound, "not_found")
}
