package app_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// everyTopic is each topic's short name.
var everyTopic = []string{
	"inbound", "commands", "state", "consent", "outbound.replies", "outbound.bulk", "intents.replies", "intents.bulk", "outcomes", "events", "dead",
}

// TestEveryRecordIsAsDocumented lives through all that leaves records, and reads every topic against asyncapi.yaml. Headers are
// what consumers route and log by: nothing personal may stand there.
func TestEveryRecordIsAsDocumented(t *testing.T) {
	w := newWorld(t, servers{}, func(o *fake.Options) { o.Receipts = nil })
	w.start()
	w.liveThrough()
	for _, topic := range everyTopic {
		records := w.tail(topic)
		if len(records) == 0 {
			t.Errorf("nothing in %s", topic)
		}
		for _, r := range records {
			for name, value := range r.Headers {
				if personalHeader.MatchString(value) && name != "received_at" {
					t.Errorf("%s: header %s is %q", topic, name, value)
				}
			}
		}
	}
}

// personalHeader finds phones and ids of messages, plain or in base64.
var personalHeader = regexp.MustCompile(`44770|wamid|NDQ3Nz|GB\.[0-9]`)

// liveThrough does everything once that leaves records of a kind of its own.
func (w *world) liveThrough() {
	w.t.Helper()
	do := func(method, path, token string, body any) {
		w.t.Helper()
		if status, answer := w.api(method, path, token, body, nil); status/100 != 2 {
			w.t.Errorf("%s %s: %d %s", method, path, status, answer)
		}
	}
	ada, bo := fake.Person{Phone: "447700900001", BSUID: "GB.9000000000000000001"}, person(2)
	w.says(ada, "stop")
	w.deliver(fake.Text(acme, bo, "STOP", time.Now().Add(-time.Minute)))
	w.says(bo, "START")
	w.says(bo, "stop it please now")
	w.says(fake.Person{Phone: "447700900003", BSUID: "GB.9000000000000000003"}, "hello")
	w.deliver(fake.Text(fake.Number{ID: "199900000000009", WABA: "1"}, person(4), "to nobody", time.Now()))
	w.barred(ada)
	const entries = "/v1/optout-lists/default/entries"
	do(http.MethodPost, entries, acmeToken, map[string]any{"to": "+447700900005", "channel": "wa"})
	do(http.MethodPost, "/v1/messages", acmeToken, map[string]any{
		"channel": "wa", "to": "+447700900006", "category": "utility", "message": map[string]any{"type": "text", "text": map[string]any{"body": "Hi"}},
	})
	w.finished("acme", w.broadcast([]fake.Person{ada, person(6), person(7)}, nil))
	eventually(w.t, "receipts arrive", func() bool {
		for _, r := range w.tail("outcomes") {
			if strings.Contains(string(r.Value), `"Read"`) {
				return true
			}
		}
		return false
	})
}
