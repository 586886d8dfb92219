package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestABroadcastIsPausedResumedAndCancelled: it goes on where it stood, also after a kill, and its webhook URL is told.
func TestABroadcastIsPausedResumedAndCancelled(t *testing.T) {
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, nil)
		w.settings["webcall"] = map[string]any{"allow": []any{"127.0.0.0/8"}}
		w.rate(20)
		c := w.spawn()
		r := newReceiver(t)
		id := w.broadcast(people(2100, 700), map[string]any{"webhook_url": r.url})
		move := func(id, how string, wanted int) (now sentBroadcast) {
			t.Helper()
			if status, answer := w.certainly(http.MethodPost, "/v1/broadcasts/"+id+"/"+how, acmeToken, map[string]any{"reason": "we say so"}, &now); status != wanted {
				t.Fatalf("%s: %d %s", how, status, answer)
			}
			return now
		}
		eventually(t, "the broadcast runs", func() bool { return len(w.meta.Sends()) > 20 })
		for range 2 {
			if now := move(id, "pause", http.StatusOK); now.Status != "paused" {
				t.Errorf("it is %s", now.Status)
			}
		}
		within(t, 40*time.Second, "what the lanes hold leaves", func() bool {
			before := len(w.meta.Sends())
			quiet(t, 2*time.Second)
			return len(w.meta.Sends()) == before
		})
		paused := len(w.meta.Sends())
		if paused > 20*30+50 || paused == 700 {
			t.Errorf("%d messages left before it was paused", paused)
		}
		c.kill()
		w.spawn()
		quiet(t, 2*time.Second)
		if n := len(w.meta.Sends()); n != paused {
			t.Errorf("%d messages left while it was paused", n-paused)
		}
		move(id, "resume", http.StatusOK)
		move(id, "resume", http.StatusOK)
		now := w.finished("acme", id)
		if now.Totals.Sent+now.Totals.Delivered+now.Totals.Read+now.Totals.Unknown != 700 {
			t.Errorf("%+v", now.Totals)
		}
		calledOnce(t, w.meta.Sends())
		for _, how := range []string{"pause", "resume", "cancel"} {
			move(id, how, http.StatusConflict)
		}

		var secret struct{ Secret string }
		w.certainly(http.MethodGet, "/v1/webhook-secret", acmeToken, nil, &secret)
		told := map[string]int{}
		within(t, 20*time.Second, "its webhook URL is told", func() bool {
			clear(told)
			for _, p := range r.got() {
				var body struct {
					Event     string
					Reason    string
					Broadcast string `json:"broadcast_id"`
				}
				if json.Unmarshal([]byte(p.body), &body) != nil || body.Broadcast != id || !p.verified(secret.Secret) {
					t.Errorf("a post: %s", p.body)
				}
				if said := body.Event == "broadcast.paused" || body.Event == "broadcast.resumed"; said != (body.Reason == "we say so") {
					t.Errorf("%s is told with the reason %q", body.Event, body.Reason)
				}
				told[body.Event]++
			}
			return told["broadcast.finished"] > 0
		})
		var kept struct {
			Data []struct {
				Status, Event string
				Attempts      []struct{ Status int }
			}
		}
		listed := map[string]bool{}
		within(t, 20*time.Second, "its deliveries are listed", func() bool {
			w.certainly(http.MethodGet, "/v1/broadcasts/"+id+"/deliveries?status=delivered", acmeToken, nil, &kept)
			for _, d := range kept.Data {
				listed[d.Event] = len(d.Attempts) > 0 && d.Attempts[len(d.Attempts)-1].Status == http.StatusOK
			}
			return len(kept.Data) == 4
		})
		for _, event := range []string{"broadcast.started", "broadcast.paused", "broadcast.resumed", "broadcast.finished"} {
			if told[event] == 0 || !listed[event] {
				t.Errorf("told %v and listed %+v, not that it is %s", fmt.Sprint(told), kept.Data, event)
			}
		}
	})
}
