package api_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/api"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// desk is what broadcasts stand on, in memory: their owner folds each command as it is published.
type desk struct {
	*world
	mu       sync.Mutex
	states   map[string][]byte
	offset   int64
	asleep   bool // the owner decides nothing
	away     error
	facts    map[int]chat.Fact
	messages []stream.Record
	verdict  gate.Answer
	asked    gate.Question
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{states: map[string][]byte{}, facts: map[int]chat.Fact{}, verdict: gate.Answer{Verdict: gate.Go}}
	d.world = newWorld(t, func(o *api.Options) {
		o.Publisher, o.States, o.Answers, o.Topics = d, d, d, d
		o.Broadcast = api.BroadcastOptions{Broadcasts: d, Rows: d, Gate: d}
	})
	return d
}

func (d *desk) Publish(_ context.Context, records ...*stream.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away != nil {
		return d.away
	}
	for _, r := range records {
		r.Offset = d.offset
		d.offset++
		if r.Topic != stream.Commands {
			d.messages = append(d.messages, *r)
		} else if err := d.fold(*r); err != nil {
			return err
		}
	}
	return nil
}

func (d *desk) fold(r stream.Record) error {
	if d.asleep {
		return nil
	}
	var c shard.Command
	if err := json.Unmarshal(r.Value, &c); err != nil {
		return err
	}
	rule, place := broadcast.Rules()[c.Kind], shard.Place{Shards: shards, Shard: r.Partition, Offset: r.Offset}
	if _, err := rule.Keys(place, c); err != nil {
		return err
	}
	turn := shard.NewTurn(place, d.states, nil)
	if err := rule.Apply(turn, c); err != nil {
		return err
	}
	changed, _, _ := turn.Said()
	maps.Copy(d.states, changed)
	return nil
}

func (d *desk) Answer(_ context.Context, _ int, offset int64, command string) (*shard.Answer, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	raw := d.states[shard.AnswerKey(command)]
	if d.asleep || raw == nil || offset >= d.offset {
		return nil, false, nil
	}
	answer := &shard.Answer{}
	return answer, true, json.Unmarshal(raw, answer)
}

func (d *desk) States(_ context.Context, _ int, keys ...string) (found [][]byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		found = append(found, d.states[k])
	}
	return found, d.away
}

func (d *desk) Broadcast(ctx context.Context, r broadcast.Ref) (*broadcast.Broadcast, error) {
	states, err := d.States(ctx, 0, r.Key())
	if err != nil || states[0] == nil {
		return nil, err
	}
	b := &broadcast.Broadcast{}
	return b, json.Unmarshal(states[0], b)
}

func (d *desk) Broadcasts(ctx context.Context, account, _ string, _ int) (all []broadcast.Broadcast, next string, err error) {
	for _, key := range slices.Sorted(maps.Keys(d.states)) {
		if name, ok := strings.CutPrefix(key, "broadcast/"+account+"/"); ok {
			b, err := d.Broadcast(ctx, broadcast.Ref{Account: account, ID: name})
			if err != nil {
				return nil, "", err
			}
			all = append(all, *b)
		}
	}
	return all, "", nil
}

func (d *desk) Rows(_ context.Context, _ broadcast.Broadcast, numbers []int) (facts []chat.Fact, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range numbers {
		facts = append(facts, d.facts[n])
	}
	return facts, d.away
}

func (d *desk) RowTotals(context.Context, broadcast.Broadcast) (map[chat.Status]int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	totals := map[chat.Status]int{}
	for _, f := range d.facts {
		totals[f.Status]++
	}
	return totals, d.away
}

func (d *desk) Ask(_ context.Context, questions []gate.Question) []gate.Answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = questions[0]
	return []gate.Answer{d.verdict}
}

func (d *desk) Ends(context.Context, stream.Topic, int) (first, end int64, err error) {
	return 0, 42, d.away
}

// offer is a broadcast's request.
func offer(recipients ...string) string {
	return `{"channel":"wa","category":"marketing","lists":["default"],"message":{"type":"text","text":{"body":"Hi"}},"recipients":[` +
		strings.Join(recipients, ",") + `]}`
}

func person(n int) string { return fmt.Sprintf(`{"to":"+4477009%05d"}`, n) }

func people(n int) (recipients []string) {
	for i := range n {
		recipients = append(recipients, person(i))
	}
	return recipients
}

type shownBroadcast struct {
	ID     string
	Status string
	Totals map[string]int
}

func totals(audience int, others map[string]int) map[string]int {
	t := map[string]int{
		"audience": audience, "duplicates": 0, "queued": 0, "skipped": 0, "sent": 0, "delivered": 0, "read": 0, "failed": 0,
		"unknown": 0, "cancelled": 0, "expired": 0,
	}
	maps.Copy(t, others)
	return t
}

func TestABroadcastIsPlannedAndShown(t *testing.T) {
	d := newDesk(t)
	var made, shown shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(append(people(8), person(1), person(2))...)).is(http.StatusCreated, "").into(&made)
	want := shownBroadcast{made.ID, "planned", totals(8, map[string]int{"duplicates": 2, "queued": 8})}
	if diff := cmp.Diff(want, made); diff != "" || made.ID == "" {
		t.Errorf("made: %s", diff)
	}
	if b, err := d.Broadcast(t.Context(), broadcast.Ref{Account: "acme", ID: made.ID}); err != nil || b.Outcomes != 42 {
		t.Errorf("outcomes are folded from %+v %v", b, err)
	}
	d.facts = map[int]chat.Fact{1: {Status: chat.Skipped}, 2: {Status: chat.Sent}, 3: {Status: chat.Read}}
	want.Totals = totals(8, map[string]int{"duplicates": 2, "queued": 5, "skipped": 1, "sent": 1, "read": 1})
	d.call(t, "acme-read", "GET", "/v1/broadcasts/"+made.ID, "").is(http.StatusOK, "").into(&shown)
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("shown: %s", diff)
	}
	var list struct {
		Data []shownBroadcast
		Next *string
	}
	d.call(t, "acme-read", "GET", "/v1/broadcasts", "").is(http.StatusOK, "").into(&list)
	if diff := cmp.Diff([]shownBroadcast{want}, list.Data); diff != "" || list.Next != nil {
		t.Errorf("listed: %s", diff)
	}
	d.call(t, "globex-admin", "GET", "/v1/broadcasts", "").is(http.StatusOK, "").into(&list)
	if len(list.Data) != 0 {
		t.Errorf("another account's list: %v", list.Data)
	}
	for _, path := range []string{"/v1/broadcasts/" + made.ID, "/v1/broadcasts/" + made.ID + "/report?format=csv"} {
		d.call(t, "globex-admin", "GET", path, "").is(http.StatusNotFound, "not_found")
	}
	d.call(t, "acme-read", "GET", "/v1/broadcasts/none", "").is(http.StatusNotFound, "not_found")
	d.call(t, "acme-read", "POST", "/v1/broadcasts", offer(person(1))).is(http.StatusForbidden, "forbidden")
}

func TestABroadcastThatCanNotBeTaken(t *testing.T) {
	d := newDesk(t)
	post := func(body string) reply { return d.call(t, "acme-admin", "POST", "/v1/broadcasts", body) }
	got := post(`{"channel":"wb","category":"marketing","lists":[],"message":{"type":"text"}}`).is(http.StatusUnprocessableEntity, "invalid_fields").fields()
	if want := []string{"message.text required", "recipients required", "channel unknown_channel", "lists required"}; !slices.Equal(got, want) {
		t.Errorf("fields %q", got)
	}
	post(`[`).is(http.StatusBadRequest, "invalid_json")
	post(offer(slices.Repeat([]string{`{}`}, 10_001)...)).is(http.StatusRequestEntityTooLarge, "too_many_recipients")
	post(offer(`{"to":"`+strings.Repeat("x", 16<<20)+`"}`)).is(http.StatusRequestEntityTooLarge, "too_large")
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(1)), "Idempotency-Key", strings.Repeat("k", 256)).
		is(http.StatusBadRequest, "invalid_idempotency_key")
	if d.offset != 0 {
		t.Errorf("%d commands of broadcasts that were refused", d.offset)
	}
	d.away = errors.New("broker down")
	post(offer(person(1))).is(http.StatusServiceUnavailable, "unavailable")
}

func TestARepeatedIdempotencyKeyGetsTheSameAnswer(t *testing.T) {
	d := newDesk(t)
	var wg sync.WaitGroup
	answers := make([]string, 8)
	for i := range answers {
		wg.Go(func() {
			answers[i] = string(d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(people(1200)...), "Idempotency-Key", "order-7").
				is(http.StatusCreated, "").body)
		})
	}
	wg.Wait()
	if len(slices.Compact(answers)) != 1 {
		t.Errorf("answers %q", answers)
	}
	if d.states = maps.Clone(d.states); len(slices.Collect(func(yield func(string) bool) {
		for key := range d.states {
			if shard.Family(key) == "broadcast" && !yield(key) {
				return
			}
		}
	})) != 1 {
		t.Error("several broadcasts were made")
	}
	before := d.offset
	again := d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(people(1200)...), "Idempotency-Key", "order-7").is(http.StatusCreated, "")
	if strings.TrimSpace(string(again.body)) != strings.TrimSpace(answers[0]) || d.offset != before {
		t.Errorf("later: %s after %d commands", again.body, d.offset-before)
	}
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(7)), "Idempotency-Key", "order-7").
		is(http.StatusUnprocessableEntity, broadcast.CodeKeyReused)
	d.call(t, "globex-admin", "POST", "/v1/broadcasts", strings.Replace(offer(person(7)), "wa", "wb", 1), "Idempotency-Key", "order-7").
		is(http.StatusCreated, "")
}

func TestABroadcastThatIsKeptAndNotDecidedYetIsAccepted(t *testing.T) {
	d := newDesk(t)
	d.asleep = true
	var made shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(1))).is(http.StatusAccepted, "").into(&made)
	if made.ID == "" || made.Status != "planned" || made.Totals["queued"] != 1 {
		t.Errorf("%+v", made)
	}
}

type reported struct {
	To, Given, Status, Error, List, Reason string
	MessageID                              string `json:"message_id"`
	UpdatedAt                              string `json:"updated_at"`
}

func TestAReportHasARowForEachRecipientInEveryFormat(t *testing.T) {
	d := newDesk(t)
	given := append(people(1100), `{"to":"=HYPERLINK(\"x\")"}`, `{"to":"07700 900199"}`)
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
		1102: {"+447700900199", "07700 900199", "Queued", "", "", "", "", "2026-11-22T12:00:00.000Z"},
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
		{"to", "given", "status", "error", "list", "reason", "message_id", "updated_at"},
		{"+447700900599", "+447700900599", "Skipped", "Optout Number", "default", "on list default for channel wa", "", moment},
		{"", `'=HYPERLINK("x")`, "Failed", "Invalid Number", "", "", "", moment},
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
	d.away = fault.New(fault.NotCertain, "not_certain", "behind")
	for _, query := range []string{"", "?format=csv", "?format=ndjson"} {
		d.call(t, "acme-read", "GET", path+query, "").is(http.StatusServiceUnavailable, "not_certain")
	}
	d.call(t, "acme-read", "GET", "/v1/broadcasts/"+made.ID, "").is(http.StatusServiceUnavailable, "not_certain")
}
