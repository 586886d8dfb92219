package feed_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/feed"
)

const ada = chat.Identifier("phone:447700900001")

// passes lets time pass in a bubble.
func passes(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // in a bubble no time is lost
	synctest.Wait()
}

func TestAFailedDeliveryIsTriedWithPatienceForADayAndThenDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(feed.Call) (feed.Said, error) {
			return feed.Said{}, fault.New(fault.Unavailable, "unreachable", "The receiver can't be reached.")
		}
		made := time.Now()
		w.offer("news", ada)
		stop := w.run(feed.NewCourier(w))
		passes(25 * time.Hour)
		stop()
		d := w.one()
		if d.Status != feed.Dead || d.Error != "unreachable" || len(w.calls) != d.Tries || len(d.Attempts) != min(d.Tries, 40) {
			t.Fatalf("%s after %d tries, %d calls: %s", d.Status, d.Tries, len(w.calls), d.Error)
		}
		want := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, time.Hour}
		for i, wait := range want {
			if gap := w.at[i+1].Sub(w.at[i]); gap < wait || gap > wait*6/5+time.Minute {
				t.Errorf("attempt %d came %v after the one before", i+2, gap)
			}
		}
		if last := w.at[len(w.at)-1].Sub(made); last < feed.Lasts || last > feed.Lasts+2*time.Minute {
			t.Errorf("the last attempt was %v after the change", last)
		}
		if len(w.letters) != 1 || w.letters[0].Header("reason") != feed.ReasonDead || strings.Contains(string(w.letters[0].Value), "4477") {
			t.Errorf("letters %+v", w.letters)
		}
		if w.counted["dead"] != 1 || w.counted["failed"] != d.Tries-1 || w.pending != 0 {
			t.Errorf("counted %v, %d pending", w.counted, w.pending)
		}
	})
}

func TestAReceiverThatIsGoneIsToldNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = status(410)
		w.offer("news", ada)
		stop := w.run(feed.NewCourier(w))
		passes(time.Hour)
		stop()
		if d := w.one(); d.Status != feed.Dead || d.Error != "gone" || len(w.calls) != 1 {
			t.Errorf("%s %s after %d calls", d.Status, d.Error, len(w.calls))
		}
	})
}

func TestRetryAfterIsHonouredWithinBounds(t *testing.T) {
	for given, want := range map[string]time.Duration{"120": 2 * time.Minute, "99999999": time.Hour, "-5": 5 * time.Second, "soon": 5 * time.Second, "": 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.answer = func(feed.Call) (feed.Said, error) { return feed.Said{Status: 503, RetryAfter: given}, nil }
			w.offer("news", ada)
			stop := w.run(feed.NewCourier(w))
			passes(2 * time.Hour)
			stop()
			if gap := w.at[1].Sub(w.at[0]); gap < want || gap > want*6/5+2*time.Second {
				t.Errorf("Retry-After %q: tried again after %v", given, gap)
			}
		})
	}
}

func TestADeadReceiverKeepsNobodyElseWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(c feed.Call) (feed.Said, error) {
			if strings.HasSuffix(c.URL, "news") {
				time.Sleep(10 * time.Second) //nolint:forbidigo // it hangs until the caller's patience ends
				return feed.Said{}, fault.New(fault.Unavailable, "timeout", "The receiver took too long to answer.")
			}
			return feed.Said{Status: 204}, nil
		}
		w.offer("news", many(150)...)
		stop := w.run(feed.NewCourier(w))
		defer stop()
		passes(time.Minute)
		w.offer("shop", ada)
		passes(2 * time.Second)
		if w.count("delivered") != 1 {
			t.Errorf("counted %v", w.counted)
		}
		if w.atOnce() > 5 || w.made() > 20 {
			t.Errorf("%d calls, %d at once", w.made(), w.most)
		}
		calls := w.made()
		passes(10 * time.Minute)
		if n := w.made() - calls; n < 5 || n > 25 {
			t.Errorf("%d calls in ten minutes to a receiver that hangs", n)
		}
		waiting := 0
		w.locked(func() {
			for _, d := range w.all() {
				if d.Status == feed.Pending && d.Tries == 0 {
					waiting++
				}
			}
			w.answer = status(200)
		})
		if waiting < 100 {
			t.Errorf("%d of 150 have not used up an attempt", waiting)
		}
		passes(time.Hour)
		if w.count("delivered") != 151 {
			t.Errorf("counted %v after it came back", w.counted)
		}
	})
}

func many(n int) (all []chat.Identifier) {
	for i := range n {
		all = append(all, chat.Identifier(fmt.Sprintf("phone:4477009%05d", i)))
	}
	return all
}

func TestWhatWaitsForADeadReceiverEndsWithItsDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = status(500)
		w.offer("news", many(40)...)
		stop := w.runAfter(feed.NewCourier(w), 23*time.Hour)
		passes(2 * time.Hour)
		stop()
		for _, d := range w.all() {
			if d.Status != feed.Dead || d.Error == "" {
				t.Fatalf("%s: %s", d.Status, d.Error)
			}
		}
		if len(w.letters) != 40 || len(w.calls) > 4000 {
			t.Errorf("%d letters, %d calls", len(w.letters), len(w.calls))
		}
	})
}

func TestAListThatIsToldOfNothingDropsWhatWaits(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"no URL":      func(w *world) { w.account.Lists[0].WebhookURL = "" },
		"list gone":   func(w *world) { w.account.Lists = w.account.Lists[1:] },
		"no account":  func(w *world) { w.missing = true },
		"another URL": func(w *world) { w.account.Lists[0].WebhookURL = "https://example.com/other" },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.answer = status(500)
			w.offer("news", ada)
			stop := w.run(feed.NewCourier(w))
			passes(time.Second)
			w.locked(func() { change(w); w.answer = status(200) })
			passes(time.Minute)
			stop()
			want := feed.Dropped
			if name == "another URL" {
				want = feed.Delivered
			}
			if d := w.one(); d.Status != want || want == feed.Delivered && w.calls[1].URL != "https://example.com/other" {
				t.Errorf("%s: %s after %d calls", name, d.Status, len(w.calls))
			}
		})
	}
}

func TestADecisionThatComesLateIsNotPostedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.offer("news", many(10)...)
		w.asleep = true
		stop := w.run(feed.NewCourier(w))
		passes(30 * time.Second)
		if w.made() != 10 {
			t.Errorf("%d calls while the shard's owner slept", w.made())
		}
		w.locked(func() { w.asleep = false; w.foldAll() })
		passes(5 * time.Minute)
		stop()
		if len(w.calls) != 10 || w.counted["delivered"] != 10 {
			t.Errorf("%d calls, %v", len(w.calls), w.counted)
		}
	})
}

func TestWhatKafkaDoesNotTakeIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.offer("news", many(3)...)
		w.away = errAway
		stop := w.run(feed.NewCourier(w))
		passes(20 * time.Second)
		w.locked(func() { w.away = nil })
		passes(10 * time.Second)
		stop()
		if len(w.calls) != 3 || w.counted["delivered"] != 3 {
			t.Errorf("%d calls, %v", len(w.calls), w.counted)
		}
	})
}

func TestARunnerThatStopsTellsWhatItsCallsBrought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(feed.Call) (feed.Said, error) {
			time.Sleep(time.Second) //nolint:forbidigo // in a bubble
			return feed.Said{Status: 200}, nil
		}
		w.offer("news", ada)
		stop := w.run(feed.NewCourier(w))
		passes(100 * time.Millisecond)
		stop()
		if d := w.one(); d.Status != feed.Delivered {
			t.Error(d.Status)
		}
	})
}

func TestTwoRunnersAtOnceDoNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		slowly := func(code int) func(feed.Call) (feed.Said, error) {
			return func(feed.Call) (feed.Said, error) {
				time.Sleep(50 * time.Millisecond) //nolint:forbidigo // in a bubble
				return feed.Said{Status: code}, nil
			}
		}
		w.answer = slowly(500)
		w.offer("news", many(3)...)
		first, second := w.run(feed.NewCourier(w)), w.run(feed.NewCourier(w))
		passes(time.Second)
		w.locked(func() { w.answer = slowly(200) })
		passes(time.Hour)
		first()
		second()
		for _, d := range w.all() {
			if d.Status != feed.Delivered {
				t.Errorf("%s after %d tries", d.Status, d.Tries)
			}
		}
		if len(w.calls) > 12 {
			t.Errorf("%d calls", len(w.calls))
		}
		ids := map[string]int{}
		for _, c := range w.calls {
			for _, h := range c.Headers {
				if h.Name == "webhook-id" {
					ids[h.Value]++
				}
			}
		}
		if len(ids) != 3 {
			t.Errorf("posts under %v", ids)
		}
	})
}

func TestADeliveryIsForgottenWhenItsTimeIsOver(t *testing.T) {
	for code, kept := range map[int]time.Duration{200: feed.KeptDelivered, 410: feed.KeptDead} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.answer = status(code)
			w.offer("news", ada)
			stop := w.run(feed.NewCourier(w))
			passes(time.Hour)
			stop()
			stop = w.runAfter(feed.NewCourier(w), kept-2*time.Hour)
			passes(30 * time.Minute)
			stop()
			if len(w.all()) != 1 { // nobody runs now
				t.Errorf("%d: forgotten early", code)
			}
			stop = w.runAfter(feed.NewCourier(w), kept)
			passes(30 * time.Minute)
			stop()
			if len(w.all()) != 0 {
				t.Errorf("%d: still there", code)
			}
		})
	}
}

func TestAReplayGivesADeliveryAnotherDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = status(410)
		ids := w.offer("news", ada)
		stop := w.run(feed.NewCourier(w))
		passes(time.Hour)
		w.locked(func() { w.answer = status(500) })
		w.command(feed.KindReplay, feed.Replay{IDs: ids})
		passes(12 * time.Hour)
		if d := w.one(); d.Status != feed.Pending || d.Tries < 5 {
			t.Errorf("%s after %d tries", d.Status, d.Tries)
		}
		w.locked(func() { w.answer = status(200) })
		passes(2 * time.Hour)
		stop()
		if d := w.one(); d.Status != feed.Delivered {
			t.Error(d.Status)
		}
	})
}

func TestABodyHasItsMembersInOrder(t *testing.T) {
	w := newWorld(t)
	for who, want := range map[chat.Identifier]string{
		ada:                     `"mobile":447700900001,"email":"","channel_id":101,`,
		"email:Ada@example.com": `"mobile":null,"email":"Ada@example.com","channel_id":101,`,
		"bsuid:GB.1":            `"mobile":null,"email":"","channel_id":101,`,
	} {
		w.offer("news", who)
		d := w.all()[0]
		clear(w.read)
		clear(w.states)
		d.At = 1_794_300_000_007
		body, err := d.Body(w.account, w.account.Lists[0])
		whole := `{"opt_list_name":"News",` + want + `"action":"optout","at":"2026-11-10T08:40:00.007Z","source":"message","id":"` + d.ID + `"`
		if who.Kind() == chat.KindBSUID {
			whole += `,"user_id":"GB.1"`
		}
		if err != nil || string(body) != whole+"}" || !json.Valid(body) {
			t.Errorf("%s\nwant\n%s}, %v", body, whole, err)
		}
	}
}

func TestEachSecretSigns(t *testing.T) {
	// The example of the specification: https://github.com/standard-webhooks/standard-webhooks, spec.
	headers, err := feed.Sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_bm9ib2R5J3Mgc2VjcmV0IG9mIDI0"}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	i := slices.IndexFunc(headers, func(h feed.Header) bool { return h.Name == "webhook-signature" })
	if err != nil || i < 0 || !strings.HasPrefix(headers[i].Value, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,") {
		t.Errorf("%v, %v", headers, err)
	}
	if _, err := feed.Sign([]string{"whsec_%"}, "x", time.Unix(0, 0), nil); err == nil {
		t.Error("a secret that is no base64 signs")
	}
}
