package app_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// everyTopic is each topic's short name.
var everyTopic = []string{
	"inbound", "commands", "state", "consent", "outbound.replies", "outbound.bulk", "intents.replies", "intents.bulk", "outcomes", "events", "dead", "media",
}

// personalHeader finds phones and ids of messages, plain or in base64.
var personalHeader = regexp.MustCompile(`4477009[0-9]{5}|wamid|NDQ3NzAw|GB\.[0-9]`)

// seldom are messages that come only after days, or when something breaks; the tests of their rules show them.
var seldom = map[string]bool{
	"command.answers.forget": true, "command.sequence.forget": true, "command.broadcast.forget": true, "command.broadcast.archive": true, "outcome.archive": true, "command.audit.forget": true, "command.feed.forget": true,
	"command.audience.release": true, "command.audience.forget": true,
	"command.import.forget": true, "command.import.silent": true, "command.import.fail": true, "command.import.progress": true,
}

// TestEveryRecordIsAsDocumented lives through all that leaves records, and reads every topic against asyncapi.yaml. Headers are
// what consumers route and log by: nothing personal may stand there.
func TestEveryRecordIsAsDocumented(t *testing.T) {
	document, err := asyncapi()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, servers{}, func(o *fake.Options) { o.Receipts = nil }).feeds()
	w.start()
	w.liveThrough()
	met := map[string]bool{}
	for _, topic := range everyTopic {
		records := w.tail(topic) // holds each against the document
		if len(records) == 0 {
			t.Errorf("nothing in %s", topic)
		}
		for _, r := range records {
			met[messageOf(topic, r)] = true
			for name, value := range r.Headers {
				if personalHeader.MatchString(value) && name != "received_at" {
					t.Errorf("%s: header %s is %q", topic, name, value)
				}
			}
		}
	}
	for name := range document.messages {
		if !met[name] && !seldom[name] {
			t.Errorf("%s is documented and was not met: write it into the story", name)
		}
	}
}

// liveThrough does everything once that leaves records of a kind of its own.
func (w *world) liveThrough() {
	w.t.Helper()
	do := func(method, path string, body, answer any) {
		w.t.Helper()
		if status, said := w.api(method, path, acmeToken, body, answer); status/100 != 2 {
			w.t.Fatalf("%s %s: %d %s", method, path, status, said)
		}
	}
	r := newReceiver(w.t)
	list := w.listWith("Otter news", "no otters", r.url)
	ada, bo := fake.Person{Phone: "447700900001", BSUID: "GB.9000000000000000001"}, person(2)
	w.deliver(fake.Text(acme, ada, "stop", time.Now()), fake.Text(acme, ada, "no otters", time.Now()))
	w.deliver(fake.Text(acme, bo, "STOP", time.Now().Add(-time.Minute)))
	w.says(bo, "START")
	w.says(bo, "unsubcribe")
	w.says(fake.Person{Phone: "447700900003", BSUID: "GB.9000000000000000003"}, "hello")
	w.deliver(fake.Text(fake.Number{ID: "199900000000009", WABA: "1"}, person(4), "to nobody", time.Now()))
	w.barred(ada)
	w.manage(list, do)
	do(http.MethodPost, "/v1/messages", map[string]any{
		"channel": "wa", "to": "+447700900006", "category": "utility", "message": map[string]any{"type": "text", "text": map[string]any{"body": "Hi"}},
	}, nil)
	w.finished("acme", w.broadcast([]fake.Person{ada, person(6), person(7)}, nil))
	w.liveWithFiles()
	w.keepSequences(do)
	w.keepAudiences(do)
	w.holds("outcomes", `"Read"`)
	w.holds("state", `unsubcribe`)
	do(http.MethodDelete, "/v1/optout-lists/"+list+"?name="+url.QueryEscape("Otter news"), nil, nil)
	w.holds("commands", `"list.empty"`)
}

// keepPeople blocks and lets through, and keeps contacts and segments.
func (w *world) keepPeople(do func(method, path string, body, answer any)) {
	w.t.Helper()
	var made struct{ ID string }
	do(http.MethodPost, "/v1/blacklist", map[string]any{"to": "+447700900008", "channel": "wa", "note": "rude"}, &made)
	do(http.MethodDelete, "/v1/blacklist/"+made.ID, nil, nil)
	do(http.MethodPost, "/v1/contacts", map[string]any{
		"to": "+447700900008", "name": "Ada", "email": "ada@example.com", "tags": []any{"vip"}, "categories": []any{"guests"},
		"attributes": map[string]any{"table": "7", "bar": nil},
	}, &made)
	do(http.MethodDelete, "/v1/contacts/"+made.ID, nil, nil)
	do(http.MethodPost, "/v1/segments", map[string]any{"name": "Vips", "conditions": []any{
		map[string]any{"tag": "vip"}, map[string]any{"attribute": map[string]any{"name": "table", "value": "7"}},
	}}, &made)
	do(http.MethodPatch, "/v1/segments/"+made.ID, map[string]any{"match": "any"}, nil)
	do(http.MethodDelete, "/v1/segments/"+made.ID, nil, nil)
}

// keepAudiences sends to an uploaded audience and to a segment, and deletes an audience.
func (w *world) keepAudiences(do func(method, path string, body, answer any)) {
	w.t.Helper()
	var segment, used, unused struct{ ID string }
	do(http.MethodPost, "/v1/contacts", map[string]any{"to": "+447700900009", "tags": []any{"frozen"}}, nil)
	do(http.MethodPost, "/v1/segments", map[string]any{"name": "Frozen", "conditions": []any{map[string]any{"tag": "frozen"}}}, &segment)
	for _, audience := range []*struct{ ID string }{&used, &unused} {
		status, said, _ := fetch(http.MethodPost, "http://"+w.private+"/v1/audiences?channel=wa", acmeToken, []byte("to,name\n+447700900009,Ada\n"), "Content-Type", "text/csv")
		if status != http.StatusCreated || json.Unmarshal(said, audience) != nil {
			w.t.Fatalf("audience: %d %s", status, said)
		}
	}
	do(http.MethodDelete, "/v1/audiences/"+unused.ID, nil, nil)
	for _, to := range []map[string]any{{"upload": used.ID}, {"segment": segment.ID}} {
		w.finished("acme", w.broadcast(nil, map[string]any{"recipients": nil, "audience": to}))
	}
}

// manage does what is done by API.
func (w *world) manage(list string, do func(method, path string, body, answer any)) {
	w.t.Helper()
	eventually(w.t, "the change is posted", func() bool {
		all := w.deliveries(list)
		return len(all) > 0 && all[0].Status == "delivered"
	})
	do(http.MethodPost, "/v1/optout-lists/"+list+"/deliveries/"+w.deliveries(list)[0].ID+"/replay", nil, nil)
	do(http.MethodPost, "/v1/optout-lists/"+list+"/webhook-secret", map[string]any{}, nil)
	do(http.MethodPatch, "/v1/optout-lists/"+list, map[string]any{"description": "Of otters"}, nil)
	do(http.MethodPost, "/v1/optout-lists/default/entries", map[string]any{"to": "+447700900005", "channel": "wa"}, nil)
	w.keepPeople(do)
	entry := []byte(`{"to":"+447700900008","channel":"wa"}`)
	status, said, _ := fetch(http.MethodPost, "http://"+w.private+"/v1/optout-lists/default/entries", acmeToken, entry, "Idempotency-Key", "otter")
	if status != http.StatusCreated {
		w.t.Fatalf("entry under a key: %d %s", status, said)
	}
	var token struct{ ID string }
	do(http.MethodPost, "/v1/tokens", map[string]any{"name": "otter", "scopes": []any{"read"}}, &token)
	do(http.MethodDelete, "/v1/tokens/"+token.ID, nil, nil)
	if status, _ := w.send(strings.NewReader(crowd(100, 3000)), "otters"); status != http.StatusAccepted {
		w.t.Fatalf("import: %d", status)
	}
	eventually(w.t, "the import ends", func() bool {
		all := w.imports()
		return len(all) == 1 && all[0].Status == "finished"
	})
}

// holds waits until a record of a topic holds a text.
func (w *world) holds(topic, text string) {
	w.t.Helper()
	eventually(w.t, topic+" holds "+text, func() bool {
		for _, r := range w.tail(topic) {
			if strings.Contains(string(r.Value), text) {
				return true
			}
		}
		return false
	})
}
