package app_test

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// TestStopKeepsBroadcastsAway is the product in one story.
func TestStopKeepsBroadcastsAway(t *testing.T) {
	eachServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		ada, ben := person(1), person(2)
		w.allowed(ada)

		said := time.Now()
		w.says(ada, "STOP")
		w.barred(ada)
		if e := w.entries("acme", "default")[shown(ada)]; e.Channel != "wa" || e.Source != "message" {
			t.Errorf("entry %+v", e)
		}
		first := w.broadcast([]fake.Person{ada, ben}, nil)
		if now := w.finished("acme", first); now.Totals != (totals{Audience: 2, Skipped: 1, Sent: 1}) {
			t.Errorf("totals %+v", now.Totals)
		}
		rows := w.report("acme", first)
		if r := rows[shown(ada)]; r.Status != "Skipped" || r.Error != "Optout Number" || r.List != "default" {
			t.Errorf("row of who opted out: %+v", r)
		}
		if r := rows[shown(ben)]; r.Status != "Sent" || r.MessageID == "" || r.Error != "" {
			t.Errorf("row of who didn't: %+v", r)
		}
		why, _ := w.why("acme", ada)
		if why.List != "default" || why.Source != "message" || len(why.History) != 1 || why.History[0].To != "out" {
			t.Errorf("why: %+v", why)
		}

		w.confirmed(ada)
		confirmation := w.confirmations(ada)[0]
		if after := confirmation.At.Sub(said); after < 2*time.Second || after > 10*time.Second {
			t.Errorf("confirmed after %v", after)
		}
		if text := textOf(t, confirmation); !strings.Contains(text, "no more messages") || confirmation.Number != acme.ID {
			t.Errorf("confirmed by %s: %s", confirmation.Number, text)
		}

		w.says(ada, "START")
		w.allowed(ada)
		second := w.broadcast([]fake.Person{ada, ben}, nil)
		if now := w.finished("acme", second); now.Totals != (totals{Audience: 2, Sent: 2}) {
			t.Errorf("totals after START: %+v", now.Totals)
		}
		eventually(t, "START is confirmed", func() bool { return len(w.confirmations(ada)) == 2 })
		if text := textOf(t, w.confirmations(ada)[1]); !strings.Contains(text, "hear from us again") {
			t.Errorf("START was confirmed by %s", text)
		}
		if len(w.entries("acme", "default")) != 0 {
			t.Error("the entry is still there")
		}
		calledOnce(t, w.meta.Sends())
	})
}

// textOf gives the words of a text message, which must go to a number with its plus.
func textOf(t *testing.T, s fake.Send) string {
	t.Helper()
	var sent struct {
		To   string
		Text struct{ Body string }
	}
	if err := json.Unmarshal(s.Body, &sent); err != nil {
		t.Fatal(err)
	}
	if sent.To != "+"+s.Person {
		t.Errorf("sent to %q", sent.To)
	}
	return sent.Text.Body
}

func TestNeighboursInOneBodyActEachForThemselves(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		now := time.Now()
		ada, ben, cleo, dana := person(10), person(11), person(12), person(13)

		// Two accounts in one body.
		w.deliver(fake.Text(acme, ada, "STOP", now), fake.Text(bravo, ben, "STOP", now), fake.Text(acme, cleo, "hello", now))
		w.barred(ada)
		eventually(t, "bravo's person is barred", func() bool { r, ok := w.why("bravo", ben); return ok && !r.Allowed })
		for account, stranger := range map[string]fake.Person{"acme": ben, "bravo": ada} {
			if r, ok := w.why(account, stranger); !ok || !r.Allowed {
				t.Errorf("%s may not send to who opted out of the other account only: %+v", account, r)
			}
		}
		if entries := w.entries("bravo", "default"); len(entries) != 1 || entries[shown(ben)].Channel != "wb" {
			t.Errorf("entries of bravo: %+v", entries)
		}

		// Garbage between neighbours, and a number that nobody declared.
		stranger := fake.Number{ID: "155599999999999", WABA: "177799999999999", Display: "15550149999"}
		w.deliver(fake.Text(acme, cleo, "STOP", now), fake.Odd(acme, map[string]any{"from": []any{"marmalade"}, "type": 7}),
			fake.Text(acme, dana, "Arrêt", now), fake.Text(stranger, person(14), "STOP", now))
		w.barred(cleo, dana)
		eventually(t, "garbage is in dead, raw", func() bool {
			return slices.ContainsFunc(w.tail("dead"), func(r kept) bool {
				return strings.Contains(string(r.Value), "marmalade") && strings.HasPrefix(r.Headers["source"], "inbound/")
			})
		})
		eventually(t, "an unknown number is in dead", func() bool {
			return slices.ContainsFunc(w.tail("dead"), func(r kept) bool { return r.Headers["reason"] == "unknown_channel" })
		})

		// What is no envelope at all.
		if status, err := w.meta.Post(t.Context(), []byte(`{"marmalade`)); status != 200 || err != nil {
			t.Errorf("junk was answered %d %v", status, err)
		}
		if !slices.ContainsFunc(w.tail("dead"), func(r kept) bool { return r.Headers["reason"] == "not_json" }) {
			t.Error("junk is not in dead")
		}
		w.confirmed(ada, cleo, dana)
		for _, s := range w.meta.Sends() {
			if want := map[string]string{ben.Phone: bravo.ID}; s.Number != cmp.Or(want[s.Person], acme.ID) {
				t.Errorf("a confirmation left by number %s", s.Number)
			}
		}
	})
}
