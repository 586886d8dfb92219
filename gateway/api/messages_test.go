package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/stream"
)

const receiptNote = `{"channel":"wa","to":"07700 900101","category":"utility","message":{"type":"text","text":{"body":"Paid"}}}`

func TestASingleMessageIsHandedToItsLane(t *testing.T) {
	f := func(category string, topic stream.Topic, valid time.Duration, lists []string) {
		t.Helper()
		d := newDesk(t)
		body := strings.Replace(receiptNote, `"utility"`, `"`+category+`","lists":["news"]`, 1)
		var said struct{ ID, Status string }
		d.call(t, "acme-admin", "POST", "/v1/messages", body).is(http.StatusAccepted, "").into(&said)
		if len(d.messages) != 1 || said.Status != "queued" {
			t.Fatalf("%d messages, %+v", len(d.messages), said)
		}
		var m chat.Outbound
		if err := json.Unmarshal(d.messages[0].Value, &m); err != nil {
			t.Fatal(err)
		}
		p := key("acme").Pseudonym("phone:447700900101")
		want := chat.Outbound{
			V: 1, ID: said.ID, Account: "acme", Channel: "wa", To: "phone:447700900101", Given: "+447700900101", Pseudonym: p,
			Kind: chat.KindSingle, Category: category, Lists: []string{"news"}, Until: now.Add(valid).UnixMilli(),
			Message: json.RawMessage(`{"text":{"body":"Paid"},"type":"text"}`),
		}
		if diff := cmp.Diff(want, m); diff != "" {
			t.Errorf("%s: %s", category, diff)
		}
		if r := d.messages[0]; r.Topic != topic || r.Partition != m.Lane(shards) || string(r.Key) != m.Key() {
			t.Errorf("%s: in %s/%d as %s", category, r.Topic, r.Partition, r.Key)
		}
		if diff := cmp.Diff(gate.Question{Account: "acme", Channel: "wa", Pseudonym: p, Lists: lists}, d.asked); diff != "" {
			t.Errorf("%s: asked %s", category, diff)
		}
	}
	f(chat.Utility, stream.OutboundReplies, 24*time.Hour, []string{"news"})
	f(chat.Authentication, stream.OutboundReplies, 10*time.Minute, []string{"news"})
	f(chat.Marketing, stream.OutboundBulk, 24*time.Hour, []string{"news", "default", "meta"})
}

func TestASingleMessageIsRefusedWhereItMayNotBeSent(t *testing.T) {
	d := newDesk(t)
	post := func(body string, headers ...string) reply {
		return d.call(t, "acme-admin", "POST", "/v1/messages", body, headers...)
	}
	d.verdict = gate.Answer{Verdict: gate.Skip, List: "news", Channel: "*"}
	d.cause = &gate.Cause{Name: "Our news", Since: now, Source: "message", Rule: "stop"}
	said := string(post(receiptNote).is(http.StatusUnprocessableEntity, "opted_out").body)
	if want := `This person has opted out. On the list Our news for all channels since 2026-11-22 12:00:00 UTC, by the word \"stop\".`; !strings.Contains(said, want) {
		t.Errorf("%s", said)
	}
	d.verdict = gate.Answer{}
	post(receiptNote).is(http.StatusServiceUnavailable, "not_certain")
	d.verdict = gate.Answer{Verdict: gate.Go}
	post(`{`).is(http.StatusBadRequest, "invalid_json")
	got := post(`{"channel":"wb","to":"nobody","category":"marketing","lists":["no"],"message":{"type":"text","text":{"body":"{{x}}"}}}`).
		is(http.StatusUnprocessableEntity, "invalid_fields").fields()
	want := []string{"channel unknown_channel", "lists[0] unknown_list", "to invalid_number", "params.x required"}
	if !slices.Equal(got, want) {
		t.Errorf("fields %q", got)
	}
	got = post(strings.Replace(receiptNote, "utility", "marketing", 1)).is(http.StatusUnprocessableEntity, "invalid_fields").fields()
	if !slices.Equal(got, []string{"lists required"}) {
		t.Errorf("marketing without a list: %q", got)
	}
	if len(d.messages) != 0 {
		t.Errorf("%d messages", len(d.messages))
	}
	first := string(post(receiptNote, "Idempotency-Key", "k").is(http.StatusAccepted, "").body)
	if again := string(post(receiptNote, "Idempotency-Key", "k").is(http.StatusAccepted, "").body); again != first {
		t.Errorf("%s and %s", first, again) // lanes send an id once
	}
}
