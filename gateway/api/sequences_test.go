package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Reading sequences, as the store does.

func (w *world) Sequence(ctx context.Context, r sequence.Ref) (*sequence.Sequence, *sequence.Sums, error) {
	raw, err := w.States(ctx, r.Shard(shards), r.Key(), r.SumsKey())
	if err != nil || raw[0] == nil {
		return nil, nil, err
	}
	q, sums := &sequence.Sequence{}, &sequence.Sums{}
	if err := json.Unmarshal(raw[0], q); err != nil {
		return nil, nil, err
	}
	return q, sums, json.Unmarshal(raw[1], sums)
}

func (w *world) SequencesOf(_ context.Context, account, _ string, _ int) (all []sequence.Ref, next string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, states := range w.states {
		for key := range states {
			if id, ok := strings.CutPrefix(key, "sequence/"+account+"/"); ok {
				all = append(all, sequence.Ref{Account: account, ID: id})
			}
		}
	}
	return all, "", w.failed
}

func (w *world) Subscribers(_ context.Context, r sequence.Ref, after string, limit int) (page []sequence.Subscriber, next string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, raw := range w.states[r.Shard(shards)] {
		var s sequence.Subscriber
		if strings.HasPrefix(key, "subscriber/"+r.String()+"/") {
			if err := json.Unmarshal(raw, &s); err != nil {
				return nil, "", err
			}
			if s.Place() > after {
				page = append(page, s)
			}
		}
	}
	slices.SortFunc(page, func(a, b sequence.Subscriber) int { return strings.Compare(a.Place(), b.Place()) })
	if len(page) > limit {
		page, next = page[:limit], page[limit-1].Place()
	}
	return page, next, w.failed
}

const welcome = `{"name":"Welcome","channel":"wa","category":"marketing","lists":["default"],"quiet_hours":{"from":"21:00","to":"08:00"},"steps":[` +
	`{"after":{"minutes":10},"message":{"type":"text","text":{"body":"Hi {{name}}"}}},` +
	`{"after":{"days":1},"at":"9:00","message":{"type":"text","text":{"body":"tips"}}}]}`

type shownSequence struct {
	ID, Name, Status string
	Lists            []string
	Steps            []struct {
		ID int
		At *string
	}
	Subscribers, Totals map[string]int
}

func (w *world) welcome(t *testing.T) (q shownSequence, tag string) {
	t.Helper()
	made := w.call(t, "acme-admin", "POST", "/v1/sequences", welcome).is(201, "")
	made.into(&q)
	return q, made.header.Get("ETag")
}

func TestASequenceIsMadeShownAndChanged(t *testing.T) {
	w := newWorld(t, nil)
	q, tag := w.welcome(t)
	if !strings.HasPrefix(q.ID, "seq_") || q.Status != "active" || len(q.Steps) != 2 || q.Steps[1].ID != 2 || *q.Steps[1].At != "09:00" || tag == "" {
		t.Errorf("%+v %s", q, tag)
	}
	path := "/v1/sequences/" + q.ID
	var read shownSequence
	if got := w.call(t, "acme-read", "GET", path, "").is(200, ""); got.header.Get("ETag") != tag {
		t.Errorf("tag %s, not %s", got.header.Get("ETag"), tag)
	}
	changed := w.call(t, "acme-admin", "PATCH", path, `{"lists":["news"],"steps":[{"id":2,"after":{"hours":1},"message":{"type":"text","text":{"body":"tips"}}},`+
		`{"after":{"hours":1},"message":{"type":"text","text":{"body":"new"}}}]}`, "If-Match", tag).is(200, "")
	changed.into(&read)
	if read.Name != "Welcome" || read.Steps[0].ID != 2 || read.Steps[1].ID != 3 || !slices.Equal(read.Lists, []string{"news"}) {
		t.Errorf("changed: %+v", read)
	}
	w.call(t, "acme-admin", "PATCH", path, `{"name":"Late"}`, "If-Match", tag).is(412, "stale")
	w.call(t, "acme-admin", "POST", path+"/pause", "", "If-Match", tag).is(412, "stale")
	w.call(t, "acme-admin", "POST", path+"/pause", "").is(200, "").into(&read)
	if read.Status != "paused" {
		t.Errorf("%+v", read)
	}
	w.call(t, "acme-admin", "POST", path+"/resume", "").is(200, "")
	w.call(t, "acme-admin", "DELETE", path, "").is(200, "").into(&read)
	w.call(t, "acme-admin", "DELETE", path, "").is(200, "")
	w.call(t, "acme-admin", "POST", path+"/resume", "").is(409, "wrong_status")
	w.call(t, "acme-admin", "PATCH", path, `{"name":"Late"}`).is(409, "wrong_status")
	w.call(t, "acme-admin", "POST", path+"/subscribers", `{"to":"+447700900001","params":{"name":"Ada"}}`).is(409, "wrong_status")
	var page struct{ Data []shownSequence }
	w.call(t, "acme-read", "GET", "/v1/sequences", "").is(200, "").into(&page)
	if len(page.Data) != 1 || page.Data[0].Status != "deleted" {
		t.Errorf("%+v", page)
	}
	w.call(t, "globex-admin", "GET", path, "").is(404, "unknown_sequence")
	w.call(t, "acme-read", "POST", path+"/pause", "").is(403, "forbidden")
}

func TestStepsCanBeSentBackAsTheyWereRead(t *testing.T) {
	w := newWorld(t, nil)
	made := w.call(t, "acme-admin", "POST", "/v1/sequences", strings.Replace(welcome, `"minutes":10`, `"minutes":0`, 1)).is(201, "")
	var q struct {
		ID    string          `json:"id"`
		Steps json.RawMessage `json:"steps"`
	}
	made.into(&q)
	w.call(t, "acme-admin", "PATCH", "/v1/sequences/"+q.ID, `{"steps":`+string(q.Steps)+`}`).is(200, "")
}

func TestARequestForASequenceIsMadeOnce(t *testing.T) {
	w := newWorld(t, nil)
	var one, two shownSequence
	w.call(t, "acme-admin", "POST", "/v1/sequences", welcome, "Idempotency-Key", "k").is(201, "").into(&one)
	w.call(t, "acme-admin", "POST", "/v1/sequences", welcome, "Idempotency-Key", "k").is(201, "").into(&two)
	if one.ID != two.ID {
		t.Errorf("%s and %s", one.ID, two.ID)
	}
	w.call(t, "acme-admin", "POST", "/v1/sequences", strings.Replace(welcome, "tips", "hints", 1), "Idempotency-Key", "k").is(422, "idempotency_key_reused")
	path := "/v1/sequences/" + one.ID + "/subscribers"
	body := `{"to":"+447700900001","params":{"name":"Ada"}}`
	first := w.call(t, "acme-admin", "POST", path, body, "Idempotency-Key", "s").is(201, "")
	w.call(t, "acme-admin", "DELETE", path+"/+447700900001", "").is(200, "")
	again := w.call(t, "acme-admin", "POST", path, body, "Idempotency-Key", "s").is(201, "")
	if string(first.body) != string(again.body) {
		t.Errorf("%s became %s", first.body, again.body)
	}
	var list struct{ Data []struct{ Status string } }
	w.call(t, "acme-read", "GET", path, "").is(200, "").into(&list)
	if len(list.Data) != 1 || list.Data[0].Status != "unsubscribed" {
		t.Errorf("a repeat has subscribed somebody: %+v", list)
	}
}

func TestASequenceThatCanNotBeTaken(t *testing.T) {
	w := newWorld(t, nil)
	f := func(body string, want ...string) {
		t.Helper()
		r := w.call(t, "acme-admin", "POST", "/v1/sequences", body)
		if got := r.fields(); r.status != 422 || !slices.Equal(got, want) {
			t.Errorf("%s: %d %q, not %q", body, r.status, got, want)
		}
	}
	f(strings.Replace(welcome, `["default"]`, `[]`, 1), "lists required")
	f(strings.Replace(welcome, `["default"]`, `["default","none"]`, 1), "lists[1] unknown_list")
	f(strings.Replace(welcome, `"wa"`, `"wb"`, 1), "channel unknown_channel")
	f(strings.Replace(strings.Replace(welcome, `["default"]`, `["meta"]`, 1), "marketing", "utility", 1), "lists required")
	f(strings.Replace(welcome, `{"minutes":10}`, `{"minutes":10},"category":"spam"`, 1), "steps[0].category unknown_category")
	f(strings.Replace(welcome, `{"minutes":10}`, `{"weeks":10}`, 1), "steps[0].after.weeks unknown_field")
	w.call(t, "acme-admin", "POST", "/v1/sequences", `[]`).is(400, "invalid_json")
	q, _ := w.welcome(t)
	r := w.call(t, "acme-admin", "PATCH", "/v1/sequences/"+q.ID, `{"channel":"wa","lists":[],"steps":[{"id":9,"after":{"days":1},"message":{"type":"text","text":{"body":"x"}}}]}`)
	if got := r.fields(); !slices.Equal(got, []string{"channel unknown_field", "steps[0].id unknown_step", "lists required"}) {
		t.Errorf("%q", got)
	}
}

func TestPeopleAreSubscribedAndUnsubscribed(t *testing.T) {
	w := newWorld(t, nil)
	q, _ := w.welcome(t)
	path := "/v1/sequences/" + q.ID + "/subscribers"
	var said struct {
		Data                           []struct{ To, Given, Result, Error string }
		Subscribed, Unchanged, Refused int
	}
	w.call(t, "acme-admin", "POST", path, `{"subscribers":[{"to":"07700 900001","params":{"name":"Ada"}},{"to":"nobody"},{"to":"+447700900002"},`+
		`{"to":"+447700900001","params":{"name":"Ada"}},{"to":"+447700900003","params":{"name":3}}]}`).is(201, "").into(&said)
	var results []string
	for _, one := range said.Data {
		results = append(results, one.To+" "+one.Result+" "+one.Error)
	}
	want := []string{
		"+447700900001 subscribed ", " refused must be a phone number or a business-scoped user id",
		" refused lacks the parameter name, which a step needs", "+447700900001 refused stands earlier in this request", "+447700900003 subscribed ",
	}
	if !slices.Equal(results, want) || said.Subscribed != 2 || said.Refused != 3 {
		t.Errorf("%q, not %q", results, want)
	}
	w.call(t, "acme-admin", "POST", path, `{"to":"+447700900001","params":{"name":"Ada"}}`).is(200, "").into(&said)
	if said.Data[0].Result != sequence.Already {
		t.Errorf("%+v", said)
	}
	w.call(t, "acme-admin", "POST", path, `{"to":"+447700900004"}`).is(422, "invalid_field")
	w.call(t, "acme-admin", "POST", path, `{"to":"+447700900004","params":[]}`).is(422, "invalid_field")
	w.call(t, "acme-admin", "POST", path, `{"subscribers":[]}`).is(422, "invalid_field")
	w.call(t, "acme-admin", "POST", path, `{"subscribers":[{"to":"+447700900004"}],"to":"x"}`).is(422, "invalid_field")
	var one struct {
		To, Status string
		Next_step  *int   //nolint:revive,staticcheck // the member is named so
		Next_at    string //nolint:revive,staticcheck // the member is named so
	}
	var list struct{ Data []json.RawMessage }
	w.call(t, "acme-read", "GET", path+"?status=active", "").is(200, "").into(&list)
	if len(list.Data) != 2 || json.Unmarshal(list.Data[0], &one) != nil || *one.Next_step != 1 || one.Next_at != "2026-11-22T12:10:00.000Z" {
		t.Errorf("%s", list.Data)
	}
	w.call(t, "acme-admin", "DELETE", path+"/07700900001", "").is(200, "").into(&one)
	if one.Status != "unsubscribed" || one.To != "+447700900001" {
		t.Errorf("%+v", one)
	}
	w.call(t, "acme-admin", "DELETE", path+"/+447700900009", "").is(404, "unknown_subscriber")
	w.call(t, "acme-read", "GET", path+"?status=gone", "").is(400, "invalid_field")
	w.call(t, "acme-admin", "GET", "/v1/sequences/"+q.ID, "").is(200, "").into(&q)
	if q.Subscribers["active"] != 1 || q.Subscribers["unsubscribed"] != 1 {
		t.Errorf("%+v", q)
	}
}

// A report in pages of any size holds every row once, in one order, and filters hold.
func TestTheReportOfASequence(t *testing.T) {
	w := newWorld(t, nil)
	q, _ := w.welcome(t)
	ref := sequence.Ref{Account: "acme", ID: q.ID}
	var people []string
	for n := range 7 {
		people = append(people, fmt.Sprintf(`{"to":"+4477009000%02d","params":{"name":"=Ada"}}`, n))
	}
	path := "/v1/sequences/" + q.ID
	w.call(t, "acme-admin", "POST", path+"/subscribers", `{"subscribers":[`+strings.Join(people, ",")+`]}`).is(201, "")
	subscribed, _, err := w.Subscribers(t.Context(), ref, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	seq, _, _ := w.Sequence(t.Context(), ref)
	for step := 1; step <= 2; step++ {
		body := sequence.StepOf{ID: q.ID, Version: seq.Version, Step: step}
		for i, s := range subscribed {
			d := sequence.Decided{P: s.P, Round: s.Round, Next: (step + 1) % 3}
			if i == 2 {
				d.Status, d.Error, d.List = chat.Skipped, "Optout Number", "default"
			}
			body.People = append(body.People, d)
		}
		w.decide(t, ref, sequence.KindStep, body)
	}
	type row struct {
		To, Status, Error string
		Step              int
	}
	read := func(query string) (rows []row, totals map[string]int) {
		after := ""
		for range 100 {
			var page struct {
				Data   []row
				Next   *string
				Totals map[string]int
			}
			w.call(t, "acme-read", "GET", path+"/report?"+query+after, "").is(200, "").into(&page)
			rows, totals = append(rows, page.Data...), page.Totals
			if page.Next == nil {
				return rows, totals
			}
			after = "&after=" + *page.Next
		}
		t.Fatal("pages without end")
		return nil, nil
	}
	all, totals := read("limit=100")
	if len(all) != 14 || totals["queued"] != 12 || totals["skipped"] != 2 {
		t.Fatalf("%d rows, %v", len(all), totals)
	}
	for _, limit := range []int{1, 2, 3, 5, 13, 14} {
		if rows, _ := read(fmt.Sprintf("limit=%d", limit)); !slices.Equal(rows, all) {
			t.Errorf("pages of %d: %v", limit, rows)
		}
	}
	for query, n := range map[string]int{"step=1": 7, "status=Skipped": 2, "status=Skipped,Queued&step=2": 7, "error=Optout+Number": 2, "list=default&step=1": 1, "list=news": 0} {
		if rows, _ := read("limit=2&" + query); len(rows) != n {
			t.Errorf("%s: %d rows, not %d", query, len(rows), n)
		}
	}
	csv := w.call(t, "acme-read", "GET", path+"/report?format=csv", "").is(200, "")
	if n := strings.Count(string(csv.body), "\n"); n != 15 || !strings.HasPrefix(string(csv.body), "to,given,step,status,") {
		t.Errorf("%s", csv.body)
	}
	if nd := w.call(t, "acme-read", "GET", path+"/report?format=ndjson&status=Skipped", "").is(200, ""); strings.Count(string(nd.body), "\n") != 2 {
		t.Errorf("%s", nd.body)
	}
	for _, query := range []string{"status=Gone", "step=x", "step=0", "format=xml", "limit=0", "after=x", "after=x.-1", "after=%00.3"} {
		if r := w.call(t, "acme-read", "GET", path+"/report?"+query, ""); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, r.status)
		}
	}
}

// decide has a command decided as a runner would.
func (w *world) decide(t *testing.T, ref sequence.Ref, kind string, body any) {
	t.Helper()
	c, err := shard.NewCommand(kind+fmt.Sprint(body), kind, ref.Account, now.UnixMilli(), body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Record(ref.Shard(shards))
	if err == nil {
		err = w.Publish(t.Context(), []*stream.Record{r}...)
	}
	if err != nil {
		t.Fatal(err)
	}
}
