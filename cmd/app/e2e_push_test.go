package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// pushed is the answer to a push.
type pushed struct {
	Status int
	ID     string `json:"push_id"`
	Data   []struct {
		ID     string `json:"msg_id"`
		Number string
	}
}

// deliveryReport is what became of a push.
type deliveryReport struct {
	Project string `json:"project_id"`
	Type    int    `json:"message_type"`
	Data    []struct {
		Number  string
		ID      string `json:"msg_id"`
		Status  int
		Message string `json:"error_message"`
	}
}

// push pushes a text to people.
func (w *world) push(text string, who []fake.Person) (p pushed) {
	w.t.Helper()
	data := make([]any, len(who))
	for i, one := range who {
		data[i] = map[string]any{"number": one.Phone}
	}
	body, err := json.Marshal(map[string]any{"token": acmeToken, "application": 101, "globalmessage": text, "data": data})
	if err != nil {
		w.t.Fatal(err)
	}
	status, answer := w.ask("/app/api/v2/push", "", string(body))
	if err := json.Unmarshal([]byte(answer), &p); err != nil || status != http.StatusOK || p.Status != 100 || len(p.Data) != len(who) {
		w.t.Fatalf("%d %.300s", status, answer)
	}
	return p
}

// pushReport asks for the report of a push.
func (w *world) pushReport(id string) (r deliveryReport) {
	w.t.Helper()
	status, answer := w.ask("/api/v2/delivery-report", "", fmt.Sprintf(`{"token":%q,"push_id":%q}`, acmeToken, id))
	if err := json.Unmarshal([]byte(answer), &r); err != nil || status != http.StatusOK {
		w.t.Fatalf("%d %.300s", status, answer)
	}
	return r
}

// TestAPushSkipsWhoHasOptedOut pushes to a thousand of whom ten have opted out.
func TestAPushSkipsWhoHasOptedOut(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, func(o *fake.Options) { o.Receipts = []string{"delivered"} })
		w.rate(1000)
		w.start()
		all := people(1000, 1000)
		out := map[string]bool{}
		for n := range 10 {
			w.says(all[100*n], "STOP")
			out[all[100*n].Phone] = true
		}
		for n := range 10 {
			w.barred(all[100*n])
		}
		p := w.push("Half price today. Reply STOP to end.", all)
		for i, one := range p.Data {
			if one.Number != all[i].Phone || one.ID != fmt.Sprintf("%s.%d", p.ID, i+1) {
				t.Fatalf("number %d: %+v", i, one)
			}
		}
		if now := w.finished("acme", p.ID); now.Totals.Skipped != 10 || now.Totals.Audience != 1000 {
			t.Errorf("as a broadcast: %+v", now.Totals)
		}
		var r deliveryReport
		eventually(t, "all others are delivered", func() bool {
			r = w.pushReport(p.ID)
			delivered := 0
			for _, one := range r.Data {
				if one.Status == 1 {
					delivered++
				}
			}
			return delivered == 990
		})
		if r.Project != "acme" || r.Type != 3 || len(r.Data) != 1000 {
			t.Errorf("%s %d, %d numbers", r.Project, r.Type, len(r.Data))
		}
		for i, one := range r.Data {
			skipped := one.Status == 2 && one.Message == "Optout Number"
			if one.Number != all[i].Phone || one.ID != p.Data[i].ID || skipped != out[one.Number] {
				t.Errorf("number %d: %+v", i, one)
			}
		}
		calledOnce(t, w.meta.Sends())
		if status, answer := w.api(http.MethodGet, "/v1/audit", acmeToken, nil, nil); status != http.StatusOK ||
			!strings.Contains(answer, `"route":"POST /app/api/v2/push","what":{"id":"`+p.ID+`"}`) || strings.Contains(answer, "delivery-report") {
			t.Errorf("audit: %.500s", answer)
		}
	})
}

// TestAKilledGatewayLosesNoPush kills it right after the answer, and once more while it sends.
func TestAKilledGatewayLosesNoPush(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(fake.Send) fake.Outcome { return fake.Outcome{Hang: 50 * time.Millisecond} }
		})
		w.rate(60)
		c := w.spawn()
		p := w.push("Half price today", people(1, 200))
		c.kill()
		c = w.spawn()
		eventually(t, "the push runs", func() bool { return len(w.meta.Sends()) > 40 })
		c.kill()
		w.spawn()
		now := w.finished("acme", p.ID)
		if now.Totals.Audience != 200 || now.Totals.Sent+now.Totals.Unknown != 200 || now.Totals.Unknown > callsAtOnce {
			t.Errorf("%+v", now.Totals)
		}
		calledOnce(t, w.meta.Sends())
	})
}

// inBody is the scope of routes whose token stands in the body.
const inBody = "send, token in the body"

// asksInBody asks a route whose token stands in the body, for acme's things, as those who must not have them.
func (v *vault) asksInBody(w *world, path string, lacking string, unknown ...string) {
	w.t.Helper()
	body := func(token string) string {
		members := map[string]any{
			"token": token, "push_id": v.ids["broadcasts"], "application": 101, "globalmessage": "Hi",
			"data": []any{map[string]any{"number": v.person.Phone}},
		}
		if token == bravoToken {
			members["application"] = 102
		}
		text, err := json.Marshal(members)
		if err != nil {
			w.t.Fatal(err)
		}
		return string(text)
	}
	f := func(who, token string, want ...int) {
		w.t.Helper()
		ask := asked{method: http.MethodPost, target: path, body: body(token)}
		status, answer := w.asks(ask, acmeToken) // which counts for nothing as a Bearer token
		if status != want[0] && status != want[len(want)-1] {
			w.t.Errorf("%s: %s is answered with %d: %.300s", path, who, status, answer)
		}
		if found := v.told(ask, answer); found != "" {
			w.t.Errorf("%s: %s is told of %q", path, who, found)
		}
	}
	for _, token := range append(unknown, "", "wrong") {
		f("who is unknown", token, http.StatusUnauthorized)
	}
	f("who lacks the scope", lacking, http.StatusForbidden)
	f("an operator", operatorToken, http.StatusForbidden)
	f("another account", bravoToken, http.StatusNotFound, http.StatusUnprocessableEntity)
}
