package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// TestABroadcastPausesForEachCauseAndSaysSo: with the reason, by an event, a metric and a signed post; and not again for what was
// known when somebody lets it go on.
func TestABroadcastPausesForEachCauseAndSaysSo(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		var answer atomic.Pointer[func(fake.Send) fake.Outcome]
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(s fake.Send) fake.Outcome {
				if do := answer.Load(); do != nil && s.Type == "template" {
					return (*do)(s)
				}
				return fake.Outcome{}
			}
		})
		w.settings["webcall"] = map[string]any{"allow": []any{"127.0.0.0/8"}}
		w.rate(40)
		w.start()
		r := newReceiver(t)
		template := func(event string) func() {
			return func() {
				w.told("message_template_status_update", map[string]any{
					"event": event, "message_template_id": 1, "message_template_name": "offer", "message_template_language": "en", "reason": "NONE",
				})
			}
		}
		every := func(n int64, o fake.Outcome) func() {
			var sent atomic.Int64
			do := func(fake.Send) fake.Outcome {
				if sent.Add(1)%n == 0 {
					return o
				}
				return fake.Outcome{}
			}
			return func() { answer.Store(&do) }
		}
		refused := func(code int) fake.Outcome { return fake.Outcome{HTTP: http.StatusBadRequest, Code: code} }
		nobody := func() { answer.Store(nil) }
		var posted []string
		counted := map[string]float64{}
		for n, c := range []struct {
			code        string
			cause, mend func()
		}{
			{"template_not_sendable", template("PAUSED"), template("APPROVED")},
			{"quality_flagged", func() {
				w.told("phone_number_quality_update", map[string]any{"display_phone_number": acme.Display, "event": "FLAGGED", "current_limit": "TIER_1K"})
			}, nobody},
			{"unwanted", every(3, fake.Outcome{Failed: 131049}), nobody},
			{"unwanted", every(3, refused(131050)), nobody},
			{"failures", every(1, refused(131026)), nobody},
			{"template_unusable", every(1, refused(132015)), nobody},
			{"spam_limit", every(1, refused(131048)), nobody},
		} {
			before := len(offers(w.meta.Sends()))
			id := w.broadcast(people(3000+n*700, 700), map[string]any{"webhook_url": r.url})
			eventually(t, "it runs", func() bool { return len(offers(w.meta.Sends())) > before+10 })
			c.cause()
			var now struct {
				Status string
				Pause  *struct{ Code, Reason string }
			}
			within(t, 25*time.Second, c.code+" pauses it", func() bool {
				w.certainly(http.MethodGet, "/v1/broadcasts/"+id, acmeToken, nil, &now)
				return now.Status == "paused"
			})
			if now.Pause == nil || now.Pause.Code != c.code || now.Pause.Reason == "" {
				t.Errorf("%s: paused by %+v", c.code, now.Pause)
			}
			counted[c.code]++
			eventually(t, c.code+" is counted", func() bool {
				return w.series()[fmt.Sprintf("optgate_broadcasts_paused_total{reason=%q}", c.code)] == counted[c.code]
			})
			c.mend()
			quiet(t, 500*time.Millisecond) // what is under way is told
			now.Pause = nil
			w.certainly(http.MethodPost, "/v1/broadcasts/"+id+"/resume", acmeToken, nil, nil)
			quiet(t, 2*time.Second)
			if w.certainly(http.MethodGet, "/v1/broadcasts/"+id, acmeToken, nil, &now); now.Status != "running" {
				t.Errorf("%s: let go on, it is %s: %+v", c.code, now.Status, now.Pause)
			}
			w.certainly(http.MethodPost, "/v1/broadcasts/"+id+"/cancel", acmeToken, nil, nil)
			posted = append(posted, id+" "+c.code)
		}

		var secret struct{ Secret string }
		w.certainly(http.MethodGet, "/v1/webhook-secret", acmeToken, nil, &secret)
		type said struct {
			Event, Code, Kind, What string
			ID                      string `json:"broadcast_id"`
			Broadcast               string
		}
		within(t, 20*time.Second, "all is told", func() bool {
			told := map[string]bool{}
			for _, p := range r.got() {
				var b said
				if json.Unmarshal([]byte(p.body), &b) == nil && b.Event == "broadcast.paused" && p.verified(secret.Secret) {
					told["post "+b.ID+" "+b.Code] = true
				}
			}
			for _, record := range w.tail("events") {
				var b said
				if json.Unmarshal(record.Value, &b) == nil && b.Kind == "broadcast" && b.What == "paused" {
					told["event "+b.Broadcast+" "+b.Code] = true
				}
			}
			for _, one := range posted {
				if !told["post "+one] || !told["event "+one] {
					return false
				}
			}
			return true
		})
	})
}
