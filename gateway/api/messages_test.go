package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/api"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/pipeline/template"
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
	f(chat.Utility, stream.OutboundReplies, 24*time.Hour, []string{"blacklist", "news"})
	f(chat.Authentication, stream.OutboundReplies, 10*time.Minute, []string{"blacklist", "news"})
	f(chat.Marketing, stream.OutboundBulk, 24*time.Hour, []string{"blacklist", "news", "default", "meta"})
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
	d.verdict = gate.Answer{Verdict: gate.Skip, List: gate.Blacklist, Channel: "wa"}
	post(receiptNote).is(http.StatusUnprocessableEntity, "blacklisted")
	if len(d.messages) != 0 || len(d.outcomes) != 0 {
		t.Errorf("%d messages, %d facts", len(d.messages), len(d.outcomes))
	}
}

func TestARepeatGetsTheFirstAnswerWhateverWasSaidMeanwhile(t *testing.T) {
	d := newDesk(t)
	optedOut, lets := gate.Answer{Verdict: gate.Skip, List: "news", Channel: "*"}, gate.Answer{Verdict: gate.Go}
	post := func(body string) reply {
		return d.call(t, "acme-admin", "POST", "/v1/messages", body, "Idempotency-Key", "k")
	}
	d.verdict = optedOut
	post(receiptNote).is(http.StatusUnprocessableEntity, "opted_out") // binds the key, and is no answer to be repeated
	d.verdict = lets
	first := string(post(receiptNote).is(http.StatusAccepted, "").body)
	d.verdict = optedOut
	if again := string(post(receiptNote).is(http.StatusAccepted, "").body); again != first {
		t.Errorf("%s and %s", first, again)
	}
	ids := map[string]bool{}
	for _, r := range d.messages {
		var m chat.Outbound
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		ids[m.ID] = true
	}
	if len(ids) != 1 { // lanes send an id once
		t.Errorf("messages %v", ids)
	}
	post(strings.Replace(receiptNote, "Paid", "Unpaid", 1)).is(http.StatusUnprocessableEntity, "idempotency_key_reused")
	d.unfolded = fault.New(fault.NotCertain, "not_certain", "being folded")
	post(receiptNote).is(http.StatusServiceUnavailable, "not_certain")
}

func TestARepeatIsNotHeldAgainstItsTemplateAgain(t *testing.T) {
	d, side := emptyDesk(), &metaside{all: []template.Template{{Name: "paid", Language: "en", Status: "APPROVED", Category: "UTILITY"}}}
	d.world = newWorld(t, func(o *api.Options) {
		o.Publisher, o.States, o.Answers, o.Topics = d, d, d, d
		o.Broadcast, o.Now, o.Templates = d.options(), func() time.Time { return now }, side
	})
	post := func(key string) reply {
		body := `{"channel":"wa","to":"07700 900101","category":"utility","message":{"type":"template","template":{"name":"paid","language":{"code":"en"}}}}`
		return d.call(t, "acme-admin", "POST", "/v1/messages", body, "Idempotency-Key", key)
	}
	first := string(post("k").is(http.StatusAccepted, "").body)
	side.all[0].Status = "PAUSED"
	if again := string(post("k").is(http.StatusAccepted, "").body); again != first {
		t.Errorf("%s and %s", first, again)
	}
	post("other").is(http.StatusUnprocessableEntity, "invalid_field")
	side.all[0].Status = "APPROVED"
	d.verdict = gate.Answer{Verdict: gate.Skip, List: "news", Channel: "*"}
	post("other").is(http.StatusUnprocessableEntity, "opted_out") // binds the key, and sends nothing
	side.all[0].Status = "PAUSED"
	post("other").is(http.StatusUnprocessableEntity, "invalid_field")
}

func TestAKeyMayBeUsedForAnotherMessageOnceItIsForgotten(t *testing.T) {
	d, at := emptyDesk(), now
	d.world = newWorld(t, func(o *api.Options) {
		o.Publisher, o.States, o.Answers, o.Topics = d, d, d, d
		o.Broadcast, o.Now = d.options(), func() time.Time { return at }
	})
	ids := map[string]bool{}
	for _, body := range []string{receiptNote, strings.Replace(receiptNote, "Paid", "Unpaid", 1)} {
		var said struct{ ID string }
		d.call(t, "acme-admin", "POST", "/v1/messages", body, "Idempotency-Key", "k").is(http.StatusAccepted, "").into(&said)
		ids[said.ID] = true
		for key := range d.states {
			if strings.HasPrefix(key, shard.AnswerKey("key.")) {
				delete(d.states, key)
			}
		}
		at = at.Add(25 * time.Hour)
	}
	if len(ids) != 2 {
		t.Errorf("lanes would drop the second message: %v", ids)
	}
}

func TestARepeatFinishesWhatTheFirstLeftUndone(t *testing.T) {
	f := func(kept string) { // of the two records of a message, which survived a crash
		t.Helper()
		d := newDesk(t)
		post := func() {
			t.Helper()
			d.call(t, "acme-admin", "POST", "/v1/messages", receiptNote, "Idempotency-Key", "k").is(http.StatusAccepted, "")
		}
		post()
		if kept != "fact" {
			d.outcomes = nil
		}
		if kept != "message" {
			d.messages = nil
		}
		post()
		if len(d.outcomes) < 1 || len(d.messages) < 1 {
			t.Errorf("%s alone: then %d facts and %d messages", kept, len(d.outcomes), len(d.messages))
		}
	}
	f("nothing")
	f("fact")
	f("message")
}

func TestWhatBecameOfASingleMessage(t *testing.T) {
	d := newDesk(t)
	var said struct{ ID string }
	d.call(t, "acme-admin", "POST", "/v1/messages", receiptNote).is(http.StatusAccepted, "").into(&said)
	show := func() string {
		return string(d.call(t, "acme-read", "GET", "/v1/messages/"+said.ID, "").is(http.StatusOK, "").body)
	}
	d.behind = 3 // looks, as right after the POST
	want := `{"id":"` + said.ID + `","status":"Queued","error":"","list":"","reason":"","message_id":"","to":"+447700900101","channel":"wa","category":"utility",` +
		`"created_at":"2026-11-22T12:00:00.000Z","sent_at":null,"delivered_at":null,"read_at":null,"failed_at":null,"updated_at":"2026-11-22T12:00:00.000Z"}` + "\n"
	if got := show(); got != want {
		t.Errorf("queued:\n%s", got)
	}
	tell := func(f chat.Fact) {
		f.V, f.ID, f.Account = 1, said.ID, "acme"
		value, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		d.outcomes = append(d.outcomes, stream.Record{Topic: stream.Outcomes, Value: value})
	}
	tell(chat.Fact{Status: chat.Delivered, MessageID: "wamid.1", At: now.Add(2 * time.Second).UnixMilli()})
	tell(chat.Fact{Status: chat.Sent, MessageID: "wamid.1", At: now.Add(time.Second).UnixMilli()})
	want = `{"id":"` + said.ID + `","status":"Delivered","error":"","list":"","reason":"","message_id":"wamid.1","to":"+447700900101","channel":"wa","category":"utility",` +
		`"created_at":"2026-11-22T12:00:00.000Z","sent_at":"2026-11-22T12:00:01.000Z","delivered_at":"2026-11-22T12:00:02.000Z","read_at":null,"failed_at":null,"updated_at":"2026-11-22T12:00:02.000Z"}` + "\n"
	if got := show(); got != want {
		t.Errorf("delivered:\n%s", got)
	}
	d.call(t, "globex-admin", "GET", "/v1/messages/"+said.ID, "").is(http.StatusNotFound, "not_found")
	d.call(t, "acme-read", "GET", "/v1/messages/m.nothing", "").is(http.StatusNotFound, "not_found")
	d.behind = 1 << 30
	d.call(t, "acme-read", "GET", "/v1/messages/m.nothing", "").is(http.StatusServiceUnavailable, "not_certain")
	d.behind, d.unfolded = 0, fault.New(fault.NotCertain, "not_certain", "being folded")
	d.call(t, "acme-read", "GET", "/v1/messages/"+said.ID, "").is(http.StatusServiceUnavailable, "not_certain")
}
