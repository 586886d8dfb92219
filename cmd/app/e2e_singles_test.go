package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"optgate/gateway/api/apitest"
	"optgate/gateway/meta/fake"
)

// singleMessage is a message by itself as the API shows it.
type singleMessage struct {
	ID, Status, Error, List, Reason, To, Category string
	MessageID                                     string  `json:"message_id"`
	Sent                                          *string `json:"sent_at"`
	Delivered                                     *string `json:"delivered_at"`
}

// sendsOne posts a message by itself, under a key or "", and gives how it was answered.
func (w *world) sendsOne(to fake.Person, category, key string) (id string, status int, answer string) {
	w.t.Helper()
	body := fmt.Sprintf(`{"channel":"wa","category":%q,"lists":["default"],"to":%q,"message":{"type":"text","text":{"body":"Your code"}}}`, category, shown(to))
	status, answer = w.ask("/v1/messages", acmeToken, body, "Idempotency-Key", key)
	return member(answer, "id"), status, answer
}

// ask posts until it is certain how it is answered.
func (w *world) ask(path, token, body string, headers ...string) (status int, answer string) {
	w.t.Helper()
	eventually(w.t, path+" is answered", func() bool {
		var raw []byte
		var header http.Header
		status, raw, header = fetch(http.MethodPost, "http://"+w.private+path, token, []byte(body), headers...)
		w.documented(apitest.Exchange{Method: http.MethodPost, Target: path, Asked: []byte(body), Status: status, Header: header, Answer: raw})
		answer = string(raw)
		return status != 0 && status != http.StatusServiceUnavailable
	})
	return status, answer
}

// member gives a text of a JSON object; "" where it has none.
func member(answer, name string) string {
	var members map[string]any
	if json.Unmarshal([]byte(answer), &members) != nil {
		return ""
	}
	text, _ := members[name].(string)
	return text
}

// became waits until a message is as wanted.
func (w *world) became(id, what string, so func(singleMessage) bool) (now singleMessage) {
	w.t.Helper()
	eventually(w.t, "message "+what, func() bool {
		status, _ := w.api(http.MethodGet, "/v1/messages/"+id, acmeToken, nil, &now)
		return status == http.StatusOK && so(now)
	})
	return now
}

// TestASingleMessageIsFollowedToItsEnd sends messages by themselves: each is known from its answer on, its receipts find it
// without what Meta was given to repeat, and a new Redis knows as much.
func TestASingleMessageIsFollowedToItsEnd(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		who, out := person(1), person(2)
		w.says(out, "STOP")
		w.barred(out)

		id, status, answer := w.sendsOne(who, "utility", "order-7")
		if status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
		if status, answer := w.api(http.MethodGet, "/v1/messages/"+id, acmeToken, nil, nil); status != http.StatusOK {
			t.Errorf("right after it was kept: %d %s", status, answer)
		}
		if status, _ := w.api(http.MethodGet, "/v1/messages/"+id, bravoToken, nil, nil); status != http.StatusNotFound {
			t.Errorf("bravo is answered with %d", status)
		}
		sent := w.became(id, "is sent", func(m singleMessage) bool { return m.Status == "Sent" && m.Sent != nil })
		if sent.To != shown(who) || sent.Category != "utility" {
			t.Errorf("%+v", sent)
		}
		w.deliver(fake.Receipt(acme, who, fake.Told{MessageID: sent.MessageID, Status: "delivered"}, time.Now()))
		w.became(id, "is delivered, by a receipt that repeats nothing", func(m singleMessage) bool { return m.Status == "Delivered" && m.Delivered != nil })

		if _, status, answer := w.sendsOne(out, "utility", "order-8"); status != http.StatusUnprocessableEntity || member(answer, "code") != "opted_out" {
			t.Errorf("who has opted out: %d %s", status, answer)
		}
		w.says(who, "STOP")
		w.barred(who)
		if again, status, answer := w.sendsOne(who, "utility", "order-7"); status != http.StatusAccepted || again != id {
			t.Errorf("a repeat: %d %s", status, answer)
		}
		if _, status, answer := w.sendsOne(who, "service", "order-7"); status != http.StatusUnprocessableEntity || member(answer, "code") != "idempotency_key_reused" {
			t.Errorf("another body under the key: %d %s", status, answer)
		}

		w.stop()
		if len(on.redis) > 0 {
			on.flush(t)
		}
		w.start() // the embedded Redis begins empty
		w.became(id, "is known again", func(m singleMessage) bool {
			return m.Status == "Delivered" && m.MessageID == sent.MessageID && m.To == shown(who)
		})
		calledOnce(t, w.meta.Sends())
	})
}

// TestAKilledGatewayLosesNoSingleMessage kills it between answers and calls.
func TestAKilledGatewayLosesNoSingleMessage(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(fake.Send) fake.Outcome { return fake.Outcome{Hang: 100 * time.Millisecond} }
		})
		c := w.spawn()
		ids := map[string]string{} // by key
		for n := range 40 {
			key := fmt.Sprintf("order-%d", n)
			id, status, answer := w.sendsOne(person(n), []string{"utility", "marketing"}[n%2], key)
			if status != http.StatusAccepted {
				t.Fatalf("%d %s", status, answer)
			}
			ids[key] = id
			if n%13 == 12 {
				c.kill()
				c = w.spawn()
			}
		}
		c.kill()
		w.spawn()
		for n := range 40 { // whoever isn't sure asks again
			key := fmt.Sprintf("order-%d", n)
			if id, status, answer := w.sendsOne(person(n), []string{"utility", "marketing"}[n%2], key); status != http.StatusAccepted || id != ids[key] {
				t.Fatalf("%d %s", status, answer)
			}
		}
		unknown := 0
		for _, id := range ids {
			now := w.became(id, "has an outcome", func(m singleMessage) bool { return m.Status == "Sent" || m.Status == "Unknown" })
			if now.Status == "Unknown" {
				unknown++
			}
		}
		calledOnce(t, w.meta.Sends())
		if sends := len(w.meta.Sends()); sends+unknown < 40 {
			t.Errorf("%d calls, %d Unknown", sends, unknown)
		}
	})
}
