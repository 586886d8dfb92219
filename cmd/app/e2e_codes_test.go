package app_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// TestMetasAnswersDecideWhatHappensToAMessage plays the error codes that mean something: which calls are repeated, which
// never, and what they do to others.
func TestMetasAnswersDecideWhatHappensToAMessage(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		refused := func(status, code int) fake.Outcome { return fake.Outcome{HTTP: status, Code: code} }
		all := people(300, 60)
		fast, pair, busy, wrong, broken, cut, later := all[0], all[1], all[2], all[3], all[4], all[5], all[6]
		w.meta.Script(fast.Phone, refused(400, 130429))
		w.meta.Script(pair.Phone, refused(400, 131056))
		w.meta.Script(busy.Phone, refused(503, 133004))
		w.meta.Script(wrong.Phone, refused(400, 131026))
		w.meta.Script(broken.Phone, refused(500, 131000))
		w.meta.Script(cut.Phone, fake.Outcome{Drop: true})
		w.meta.Script(later.Phone, fake.Outcome{Failed: 131047})

		id := w.broadcast(all, nil)
		w.finished("acme", id)
		eventually(t, "the receipt of a failure arrives", func() bool { return w.report("acme", id)[shown(later)].Status == "Failed" })
		rows, calls := w.report("acme", id), offers(w.meta.Sends())
		for _, c := range []struct {
			name   string
			who    fake.Person
			status string
			error  string
			calls  int
		}{
			{"130429 is repeated", fast, "Sent", "", 2},
			{"131056 is repeated", pair, "Sent", "", 2},
			{"133004 is repeated", busy, "Sent", "", 2},
			{"131026 fails", wrong, "Failed", "131026", 1},
			{"500 is unknown", broken, "Unknown", "No Answer", 1},
			{"no answer is unknown", cut, "Unknown", "No Answer", 1},
			{"a failure told later", later, "Failed", "131047", 1},
			{"nothing special", all[20], "Sent", "", 1},
		} {
			r := rows[shown(c.who)]
			if n := len(calls[c.who.Phone]); r.Status != c.status || !strings.HasPrefix(r.Error, c.error) || n != c.calls {
				t.Errorf("%s: %s %q after %d calls", c.name, r.Status, r.Error, n)
			}
		}
		if pause := calls[pair.Phone][1].At.Sub(calls[pair.Phone][0].At); pause < time.Second {
			t.Errorf("131056 was repeated after %v", pause)
		}
	})
}

// TestTooFastSlowsTheNumberDown sends at 60 a second and is told by the first answer that this is too fast.
func TestTooFastSlowsTheNumberDown(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		var told atomic.Bool
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(fake.Send) fake.Outcome {
				if told.Swap(true) {
					return fake.Outcome{}
				}
				return fake.Outcome{HTTP: http.StatusTooManyRequests, Code: 130429}
			}
		})
		w.rate(60)
		w.start()
		id := w.broadcast(people(400, 90), nil)
		if now := w.finished("acme", id); now.Totals.Sent != 90 {
			t.Errorf("totals %+v", now.Totals)
		}
		sends := w.meta.Sends()
		// 90 messages take 1.5 s at 60 a second and 3 s at 30; what was reserved before goes at the old rate.
		if took := sends[len(sends)-1].At.Sub(sends[0].At); len(sends) != 91 || took < 2200*time.Millisecond {
			t.Errorf("%d calls took %v after Meta had asked for less", len(sends), took)
		}
	})
}

// TestWhoStoppedMarketingAtMeta is filed on the Meta list, whether Meta says so at once or later, and only resume lifts that.
func TestWhoStoppedMarketingAtMeta(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		atOnce, later, both, other := person(500), person(501), person(502), person(503)
		w.meta.Script(atOnce.Phone, fake.Outcome{HTTP: 400, Code: 131050})
		w.meta.Script(later.Phone, fake.Outcome{Failed: 131050})
		first := w.broadcast([]fake.Person{atOnce, later, other}, nil)
		w.finished("acme", first)
		w.barred(atOnce, later)
		eventually(t, "the receipt of the refusal arrives", func() bool { return w.report("acme", first)[shown(later)].Status == "Failed" })
		for who, r := range w.report("acme", first) {
			if want := map[bool]string{true: "Sent", false: "Failed"}[who == shown(other)]; r.Status != want {
				t.Errorf("first row %+v", r)
			}
		}
		if listed := w.entries("acme", "meta"); len(listed) != 2 || listed[shown(atOnce)].Source != "meta" {
			t.Errorf("the Meta list holds %+v", listed)
		}
		if listed := w.entries("acme", "default"); len(listed) != 0 {
			t.Errorf("the Default list holds %+v", listed)
		}

		second := w.broadcast([]fake.Person{atOnce, later, other}, nil)
		w.finished("acme", second)
		for _, p := range []fake.Person{atOnce, later} {
			if r := w.report("acme", second)[shown(p)]; r.Status != "Skipped" || r.Error != "Optout Number" || r.List != "meta" {
				t.Errorf("marketing to who stopped it at Meta: %+v", r)
			}
		}
		w.finished("acme", w.broadcast([]fake.Person{atOnce}, map[string]any{
			"category": "utility", "message": map[string]any{"type": "text", "text": map[string]any{"body": "Your table"}},
		}))
		if n := len(w.meta.To(atOnce.Phone)); n != 2 {
			t.Errorf("%d calls: utility goes to who stopped marketing", n)
		}

		// resume lifts Meta's stop, and never a typed one.
		w.deliver(fake.Preference(acme, both, true, time.Now()), fake.Text(acme, both, "STOP", time.Now()))
		w.barred(both)
		eventually(t, "both lists bar", func() bool { r, _ := w.why("acme", both); return len(r.History) == 2 })
		soon := time.Now().Add(1100 * time.Millisecond) // Meta counts in seconds, and a tie bars
		eventually(t, "a second later", func() bool { return time.Now().After(soon) })
		w.deliver(fake.Preference(acme, both, false, time.Now()), fake.Preference(acme, atOnce, false, time.Now()))
		w.allowed(atOnce)
		eventually(t, "Meta's stop is lifted", func() bool { r, _ := w.why("acme", both); return len(r.History) == 3 })
		if r, ok := w.why("acme", both); !ok || r.Allowed || r.List != "default" {
			t.Errorf("after resume: %+v", r)
		}
		w.deliver(fake.Text(acme, later, "START", time.Now()))
		w.settled()
		if r, ok := w.why("acme", later); !ok || r.Allowed || r.List != "meta" {
			t.Errorf("START lifted Meta's stop: %+v", r)
		}
	})
}

// TestADeadTokenHaltsItsChannelAlone lets Meta refuse acme's token; bravo's messages go on, and acme's wait.
func TestADeadTokenHaltsItsChannelAlone(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		over := make(chan struct{})
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(s fake.Send) fake.Outcome {
				select {
				case <-over:
				default:
					if s.Number == acme.ID {
						return fake.Outcome{HTTP: http.StatusUnauthorized, Code: 190}
					}
				}
				return fake.Outcome{}
			}
		})
		w.start()
		halted, going := people(600, 20), people(650, 200)
		stuck := w.broadcast(halted, nil)
		eventually(t, "acme is refused", func() bool { return len(w.meta.Sends()) > 0 })
		free := w.broadcastOf("bravo", going, nil)
		if now := w.finished("bravo", free); now.Totals.Sent != len(going) {
			t.Errorf("totals of bravo: %+v", now.Totals)
		}
		tries := 0
		for _, s := range w.meta.Sends() {
			if s.Number == acme.ID {
				tries++
			}
		}
		var now sentBroadcast
		w.api(http.MethodGet, "/v1/broadcasts/"+stuck, acmeToken, nil, &now)
		if now.Status != "paused" || now.Totals.Queued != len(halted) || tries > 2*len(halted) {
			t.Errorf("acme's messages wait: %+v after %d calls", now, tries)
		}
		close(over)
		if now := w.finished("acme", stuck); now.Totals.Sent != len(halted) {
			t.Errorf("totals of acme: %+v", now.Totals)
		}
	})
}
