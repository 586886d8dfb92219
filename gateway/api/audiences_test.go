package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
)

func (d *desk) Audience(ctx context.Context, r broadcast.Ref) (*broadcast.Audience, error) {
	states, err := d.States(ctx, 0, r.AudienceKey())
	if err != nil || states[0] == nil {
		return nil, err
	}
	a := &broadcast.Audience{}
	return a, json.Unmarshal(states[0], a)
}

func (d *desk) Audiences(ctx context.Context, account, _ string, _ int) (all []broadcast.Audience, next string, err error) {
	for _, key := range slices.Sorted(maps.Keys(d.states)) {
		if name, ok := strings.CutPrefix(key, "audience/"+account+"/"); ok {
			a, err := d.Audience(ctx, broadcast.Ref{Account: account, ID: name})
			if err != nil {
				return nil, "", err
			}
			if a != nil && a.Status == broadcast.Ready {
				all = append(all, *a)
			}
		}
	}
	return all, "", nil
}

type shownAudience struct {
	ID         string
	Channel    string
	Rows       int
	Recipients int
	Duplicates int
	Invalid    int
	Refused    int
	Columns    []string
	Lines      []csvfile.Refusal `json:"refused_lines"`
	Uses       int               `json:"used_by"`
}

func (d *desk) upload(t *testing.T, file string, headers ...string) reply {
	t.Helper()
	return d.call(t, "acme-admin", "POST", "/v1/audiences?channel=wa", file, append([]string{"Content-Type", "text/csv"}, headers...)...)
}

func TestAnAudienceIsUploadedShownUsedAndDeleted(t *testing.T) {
	d := newDesk(t)
	var made, shown shownAudience
	const file = "\xef\xbb\xbfPhone;name\r\n+447700900101;Ada\r\n07700 900101;Ada\r\nnobody;x\r\n;y\r\n+447700900102;\"B\r\nob\"\r\n"
	answer := d.upload(t, file, "Idempotency-Key", "k1").is(http.StatusCreated, "")
	answer.into(&made)
	want := shownAudience{ID: made.ID, Channel: "wa", Rows: 5, Recipients: 3, Duplicates: 1, Invalid: 1, Refused: 1, Columns: []string{"name"},
		Lines: []csvfile.Refusal{{Line: 5, Reason: "The row names nobody: its recipient is empty."}}}
	if diff := cmp.Diff(want, made); diff != "" || made.ID == "" || answer.header.Get("Location") != "/v1/audiences/"+made.ID {
		t.Errorf("made: %s", diff)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(file))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := d.upload(t, packed.String(), "Idempotency-Key", "k1", "Content-Encoding", "gzip").is(http.StatusCreated, "")
	if string(again.body) != string(answer.body) {
		t.Errorf("again: %s", again.body)
	}
	d.upload(t, "to\n+447700900101\n", "Idempotency-Key", "k1").is(http.StatusUnprocessableEntity, "idempotency_key_reused")
	path := "/v1/audiences/" + made.ID
	d.call(t, "acme-read", "GET", path, "").is(http.StatusOK, "").into(&shown)
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("shown: %s", diff)
	}
	if got := d.call(t, "acme-read", "GET", path+"/refused", "").is(http.StatusOK, "").body; string(got) != "line,reason\n5,The row names nobody: its recipient is empty.\n" {
		t.Errorf("refused: %s", got)
	}
	var list struct{ Data []shownAudience }
	d.call(t, "acme-read", "GET", "/v1/audiences", "").is(http.StatusOK, "").into(&list)
	if len(list.Data) != 1 {
		t.Errorf("listed: %+v", list.Data)
	}
	for _, method := range []string{"GET", "DELETE"} {
		d.call(t, "globex-admin", method, path, "").is(http.StatusNotFound, "unknown_audience")
	}
	body := strings.Split(offer(), `"recipients"`)[0] + fmt.Sprintf(`"audience":{"upload":%q}}`, made.ID)
	d.call(t, "globex-admin", "POST", "/v1/broadcasts", strings.Replace(body, `"wa"`, `"wb"`, 1)).is(http.StatusUnprocessableEntity, "invalid_fields")
	var sent shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", body, "Idempotency-Key", "k1").is(http.StatusCreated, "").into(&sent)
	if diff := cmp.Diff(shownBroadcast{sent.ID, "planned", totals(3, map[string]int{"duplicates": 1, "queued": 3})}, sent); diff != "" {
		t.Error(diff)
	}
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", body, "Idempotency-Key", "k1").is(http.StatusCreated, "")
	d.call(t, "acme-read", "GET", path, "").is(http.StatusOK, "").into(&shown)
	if shown.Uses != 1 {
		t.Errorf("used by %d", shown.Uses)
	}
	d.call(t, "acme-admin", "DELETE", path, "").is(http.StatusConflict, "audience_in_use")
	d.upload(t, "to\n+447700900105\n").is(http.StatusCreated, "").into(&made)
	d.call(t, "acme-read", "DELETE", "/v1/audiences/"+made.ID, "").is(http.StatusForbidden, "forbidden")
	d.call(t, "acme-admin", "DELETE", "/v1/audiences/"+made.ID, "").is(http.StatusNoContent, "")
	d.call(t, "acme-admin", "GET", "/v1/audiences/"+made.ID, "").is(http.StatusNotFound, "unknown_audience")
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", strings.Replace(body, shown.ID, made.ID, 1)).is(http.StatusUnprocessableEntity, "invalid_fields")
}

func TestAnUploadThatCanNotBeTaken(t *testing.T) {
	d := newDesk(t)
	d.call(t, "acme-admin", "POST", "/v1/audiences", "to\n1\n", "Content-Type", "text/csv").is(http.StatusUnprocessableEntity, "invalid_field")
	d.call(t, "acme-admin", "POST", "/v1/audiences?channel=wb", "to\n1\n", "Content-Type", "text/csv").is(http.StatusUnprocessableEntity, "invalid_field")
	d.upload(t, "").is(http.StatusUnprocessableEntity, "empty_file")
	d.upload(t, "to\n").is(http.StatusUnprocessableEntity, "no_rows")
	d.upload(t, "name\nAda\n").is(http.StatusUnprocessableEntity, "no_header")
	d.upload(t, "to\n1\n", "Content-Encoding", "gzip").is(http.StatusUnprocessableEntity, "bad_gzip")
	d.upload(t, "to\n1\n", "Content-Encoding", "br").is(http.StatusUnprocessableEntity, "unknown_encoding")
	d.call(t, "acme-admin", "POST", "/v1/audiences?channel=wa", "{}", "Content-Type", "application/json").is(http.StatusUnprocessableEntity, "unknown_type")
	d.upload(t, "to\n"+strings.Repeat("+447700900101\n", broadcast.MaxUpload+1)).is(http.StatusRequestEntityTooLarge, "too_many_rows")
}

func TestABodyThatIsCutOffMidwayLeavesNothing(t *testing.T) {
	d := newDesk(t)
	file := "to\n" + strings.Repeat("+447700900101\n", 30_000)
	body := &breaking{text: file[:len(file)/2]}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/v1/audiences?channel=wa", body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(file))
	req.Header.Set("Content-Type", "text/csv")
	req.Header.Set("Authorization", "Bearer acme-admin")
	if resp, err := d.client.Do(req); err == nil {
		resp.Body.Close() //nolint:errcheck // nothing is read
		t.Error("half a file is answered")
	}
	var list struct{ Data []shownAudience }
	d.call(t, "acme-read", "GET", "/v1/audiences", "").is(http.StatusOK, "").into(&list)
	if len(list.Data) != 0 {
		t.Errorf("%+v", list.Data)
	}
}

// breaking is a body that breaks off.
type breaking struct{ text string }

func (b *breaking) Read(p []byte) (int, error) {
	if b.text == "" {
		return 0, fault.New(fault.Internal, "", "cut")
	}
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, nil
}

// dryRun is of people of whom those with an odd last digit have written within 24 hours.
func (d *desk) dryRun() broadcast.DryRun {
	return broadcast.DryRun{
		Shards: shards, Gate: d, States: d, Conditions: d,
		Served: func(_ context.Context, _, _ string, ids []chat.Identifier) (served []bool, err error) {
			for _, id := range ids {
				served = append(served, id[len(id)-1]%2 == 1)
			}
			return served, nil
		},
		Left: func(context.Context, chat.Channel, channel.Condition) (int, bool, error) { return d.left, true, nil },
	}
}

func (d *desk) Condition(context.Context, string, string) (channel.Condition, error) {
	return channel.Condition{Tier: 250, Rate: 20}, d.away
}

func TestADryRunSaysWhatWouldHappen(t *testing.T) {
	d := newDesk(t)
	d.judge = func(q gate.Question) gate.Answer {
		if q.Pseudonym%10 == 0 {
			return gate.Answer{Verdict: gate.Skip, List: "default"}
		}
		return gate.Answer{Verdict: gate.Go}
	}
	var made shownAudience
	var file strings.Builder
	file.WriteString("to,name\n")
	for n := range 1000 {
		fmt.Fprintf(&file, "+4477009%05d,%s\n", n, []string{"Ada", ""}[n/900])
	}
	file.WriteString("nobody,x\n+447700900000,again\n")
	d.upload(t, file.String()).is(http.StatusCreated, "").into(&made)
	before := maps.Clone(d.states)
	var said broadcast.Rehearsal
	ask := func(message, more string) reply {
		return d.call(t, "acme-admin", "POST", "/v1/broadcasts?dry_run=true", fmt.Sprintf(
			`{"channel":"wa","category":"marketing","lists":["default"],"message":%s,"audience":{"upload":%q}%s}`, message, made.ID, more))
	}
	d.left = 100
	ask(`{"type":"text","text":{"body":"Hi {{name}}"}}`, `,"messages_per_second":0.005`).is(http.StatusOK, "").into(&said)
	skipped := 0
	for _, s := range said.Skipped {
		skipped += s.Count
	}
	if said.Audience != 1001 || said.Duplicates != 1 || said.Invalid != 1 || len(said.Skipped) != 1 || said.Skipped[0].Error != "Optout Number" ||
		skipped < 50 || len(said.Missing) != 1 || said.Missing[0].Name != "name" || said.Missing[0].Count != said.Failing[0].Count ||
		said.Failing[0].Error != "Missing Parameter: name" || said.Go+skipped+said.Invalid+said.Failing[0].Count != 1001 {
		t.Errorf("%+v", said)
	}
	if said.Outside < said.Go/3 || said.Outside > said.Go*2/3 || said.Tier.Needed != said.Outside || *said.Tier.Limit != 250 || *said.Tier.Left != 100 ||
		said.Rate != 0.005 || said.Seconds != said.Go*200 {
		t.Errorf("%+v", said)
	}
	codes := func() (codes []string) {
		for _, w := range said.Warnings {
			codes = append(codes, w.Code)
		}
		return codes
	}
	if want := []string{"outside_window", "no_optout_hint", "past_end", "tier_exceeded"}; !slices.Equal(codes(), want) {
		t.Errorf("warnings %q", codes())
	}
	d.left = 10_000
	ask(`{"type":"template","template":{"name":"t","language":{"code":"en"}}}`, `,"quiet_hours":{"from":"21:00","to":"08:00"}`).is(http.StatusOK, "").into(&said)
	if want := []string{"unknown_template", "quiet_hours"}; !slices.Equal(codes(), want) || said.Rate != 20 || len(said.Missing) != 0 {
		t.Errorf("warnings %q, %+v", codes(), said)
	}
	if !maps.EqualFunc(before, d.states, bytes.Equal) {
		t.Error("a dry run has changed something")
	}
	d.judge = func(gate.Question) gate.Answer { return gate.Answer{} }
	ask(`{"type":"text","text":{"body":"Hi"}}`, "").is(http.StatusServiceUnavailable, "not_certain")
	ask(`{"type":"text"}`, "").is(http.StatusUnprocessableEntity, "invalid_fields")
	d.call(t, "acme-admin", "POST", "/v1/broadcasts?dry_run=maybe", offer(person(1))).is(http.StatusBadRequest, "invalid_field")
}
