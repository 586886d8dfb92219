package broadcast_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// people are recipients of a test, all of whom have numbers.
func people(n int) string { return asked(numbered(n)...) }

func expect(t *testing.T, doing string, status, wantStatus broadcast.Status, totals, want map[string]int) {
	t.Helper()
	if status != wantStatus || !maps.Equal(totals, want) {
		t.Errorf("%s: %s %v, want %s %v", doing, status, totals, wantStatus, want)
	}
}

func TestABroadcastReachesEachPersonOnceAndSkipsThoseOptedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.gate = func(q gate.Question) gate.Answer {
			if q.Account != "acme" || q.Channel != "wa" || !slices.Equal(q.Lists, []string{"blacklist", "default", "meta"}) {
				t.Errorf("asked %+v", q)
			}
			if q.Pseudonym%5 == 0 {
				return gate.Answer{Verdict: gate.Skip, List: "default", Channel: "wa"}
			}
			return gate.Answer{Verdict: gate.Go}
		}
		ref := w.plan(asked(append(numbered(60), to("nobody"), `{"to":"+447700900199"}`, to("+551187654321"))...))
		defer w.run()()
		status, totals := w.after(3*time.Second, ref)
		out := 0
		for n, row := range w.page(ref, 0).Rows {
			f := w.rows[ref][n+1]
			barred := row.Error == "" && row.Pseudonym%5 == 0
			if barred {
				out++
			}
			if barred != (f.Error == "Optout Number" && f.List == "default" && f.Reason == "On the list Our list for channel wa since 1970-01-01 00:00:00 UTC, by an import.") {
				t.Errorf("row %d: %+v", n+1, f)
			}
		}
		expect(t, "at the end", status, broadcast.Finished, totals, map[string]int{
			"Sent ": 61 - out, "Skipped Optout Number": out, "Failed Invalid Number": 1, "Failed Missing Parameter: name": 1,
		})
		if len(w.messages) != 61-out || out == 0 || w.repeats != 0 {
			t.Errorf("%d messages, %d repeats", len(w.messages), w.repeats)
		}
		for _, m := range w.messages {
			if string(m.Message) != `{"text":{"body":"Hi Ada"},"type":"text"}` || m.Kind != chat.KindBroadcast ||
				m.ID != ref.MessageID(m.Row) || m.Until != time.UnixMilli(w.broadcast(t, ref).Created).Add(24*time.Hour).UnixMilli() {
				t.Errorf("message %+v", m)
			}
			if m.To == "phone:5511987654321" && m.Given != "+551187654321" {
				t.Errorf("Meta is called with %s", m.Given)
			}
		}
	})
}

func (w *world) page(r broadcast.Ref, n int) (p broadcast.Page) {
	must(w.t, json.Unmarshal(w.states[r.PageKey(n)], &p))
	return p
}

func TestLanesHoldNoMoreThanTheCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ref := w.plan(people(1200))
		w.lane = func(chat.Outbound) chat.Status { return "" }
		defer w.run()()
		status, totals := w.after(10*time.Second, ref)
		expect(t, "no answer", status, broadcast.Running, totals, map[string]int{})
		if len(w.messages) != 300 { // 10 a second for 30 seconds
			t.Fatalf("%d messages in the lanes", len(w.messages))
		}
		for _, m := range w.messages[:20] {
			w.tell(m, chat.Sent)
		}
		w.after(time.Second, ref)
		if len(w.messages) != 320 {
			t.Errorf("%d messages after 20 answers", len(w.messages))
		}
		w.mu.Lock()
		w.lane = func(chat.Outbound) chat.Status { return chat.Sent }
		held := w.messages[20:]
		w.mu.Unlock()
		for _, m := range held {
			w.tell(m, chat.Failed)
		}
		status, totals = w.after(10*time.Second, ref)
		expect(t, "at the end", status, broadcast.Finished, totals, map[string]int{"Sent ": 900, "Failed ": 300})
		if w.most > 300 || w.repeats > 0 {
			t.Errorf("%d messages at once, %d repeats", w.most, w.repeats)
		}
	})
}

func TestRowsWhoseShardIsUnknownAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		certain := false
		w.gate = func(q gate.Question) gate.Answer {
			if !certain && shards.Of(q.Pseudonym) == 1 {
				return gate.Answer{}
			}
			return gate.Answer{Verdict: gate.Go}
		}
		ref := w.plan(people(40))
		defer w.run()()
		status, totals := w.after(time.Minute, ref)
		n := totals["Sent "]
		if status != broadcast.Running || n == 0 || n == 40 || w.asked > 40+61*(40-n) {
			t.Fatalf("%s %v after %d questions", status, totals, w.asked)
		}
		w.mu.Lock()
		certain = true
		w.mu.Unlock()
		status, totals = w.after(2*time.Second, ref)
		expect(t, "certain again", status, broadcast.Finished, totals, map[string]int{"Sent ": 40})
	})
}

// A runner that is killed, a report that is wiped, publications of which nobody knows whether they got through: all of it
// in the middle, and in the end everybody was sent to once.
func TestABroadcastSurvivesLosses(t *testing.T) {
	f := func(name string, repeats int, harm func(w *world, stop func()) func()) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.speed = 500 * time.Millisecond
				ref := w.plan(people(1000))
				stop := w.run()
				if status, totals := w.after(1200*time.Millisecond, ref); status != broadcast.Running || len(totals) == 0 {
					t.Fatalf("not in the middle: %s %v", status, totals)
				}
				stop = harm(w, stop)
				defer func() { stop() }()
				status, totals := w.after(20*time.Second, ref)
				expect(t, "at the end", status, broadcast.Finished, totals, map[string]int{"Sent ": 1000})
				if w.repeats > repeats || w.most > 600 {
					t.Errorf("%d repeats, %d in the lanes at once", w.repeats, w.most)
				}
			})
		})
	}
	f("killed", 300, func(w *world, stop func()) func() {
		stop()
		return w.run()
	})
	f("wiped", 0, func(w *world, stop func()) func() {
		w.wipe()
		return stop
	})
	f("killed and wiped", 300, func(w *world, stop func()) func() {
		stop()
		w.wipe()
		return w.run()
	})
	f("cut off", 900, func(w *world, stop func()) func() {
		w.mu.Lock()
		w.refuse = 3
		w.mu.Unlock()
		return stop
	})
	f("two at once", 1000, func(w *world, stop func()) func() {
		other := w.run()
		return func() { stop(); other() }
	})
	f("view away for a while", 0, func(w *world, stop func()) func() {
		w.mu.Lock()
		w.away = true
		w.mu.Unlock()
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		w.away = false
		w.mu.Unlock()
		return stop
	})
}

func TestAPausedBroadcastGoesOnAndACancelledOneDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.speed = time.Second
		ref := w.plan(people(800))
		defer w.run()()
		w.after(500*time.Millisecond, ref)
		w.move(ref, broadcast.Paused)
		status, totals := w.after(time.Minute, ref)
		expect(t, "paused", status, broadcast.Paused, totals, map[string]int{"Sent ": 300})
		w.move(ref, broadcast.Running)
		w.after(500*time.Millisecond, ref)
		w.move(ref, broadcast.Cancelled)
		status, totals = w.after(time.Minute, ref)
		expect(t, "cancelled", status, broadcast.Cancelled, totals, map[string]int{"Sent ": 600, "Cancelled ": 200})
		if len(w.outcomes) != 800 {
			t.Errorf("%d facts: what a lane holds is not given up", len(w.outcomes))
		}
	})
}

func TestABroadcastPausedAsItBeginsStaysPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.speed = time.Second
		ref := w.plan(people(1000))
		pause, err := broadcast.StatusCommand("pause", ref, broadcast.Paused, "", time.Now().UnixMilli())
		must(t, err)
		w.first = &pause
		defer w.run()()
		if status, _ := w.after(time.Minute, ref); status != broadcast.Paused {
			t.Errorf("it is %s", status)
		}
		// What had gone before the pause was decided is not forgotten, whenever it begins and whatever is lost then.
		w.move(ref, broadcast.Running)
		w.after(500*time.Millisecond, ref)
		w.wipe()
		status, totals := w.after(5*time.Minute, ref)
		expect(t, "let go on", status, broadcast.Finished, totals, map[string]int{"Sent ": 1000})
	})
}

func (w *world) move(r broadcast.Ref, s broadcast.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := broadcast.StatusCommand("move", r, s, "asked", time.Now().UnixMilli())
	must(w.t, err)
	must(w.t, w.fold(c))
}

func TestWhatIsNotSentByTheEndExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.gate = func(q gate.Question) gate.Answer {
			return gate.Answer{Verdict: gate.Verdict(shards.Of(q.Pseudonym))} // Unknown or Go
		}
		w.every = 5 * time.Second
		ref := w.plan(people(40))
		defer w.run()()
		_, totals := w.after(24*time.Hour-2*time.Minute, ref)
		sent := totals["Sent "]
		status, totals := w.after(5*time.Minute, ref)
		expect(t, "after the end", status, broadcast.Finished, totals, map[string]int{"Sent ": sent, "Expired ": 40 - sent})
	})
}

func TestAFinishedBroadcastCountsReceiptsAndIsForgottenADayLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.every = 5 * time.Second
		ref := w.plan(people(2600)) // six pages, forgotten in two steps
		defer w.run()()
		status, _ := w.after(time.Minute, ref)
		if status != broadcast.Finished {
			t.Fatal(status)
		}
		w.mu.Lock()
		for _, f := range []struct {
			id     string
			row    int
			status chat.Status
		}{
			{"b1", 7, chat.Read}, {"b1", 7, chat.Delivered}, {"b1", 8, "lost"}, {"b1", 2601, chat.Read}, {"b1", 0, chat.Read}, {"b2", 9, chat.Read},
		} {
			w.append(fact(t, f.id, f.row, f.status))
		}
		w.mu.Unlock()
		status, totals := w.after(23*time.Hour, ref)
		expect(t, "with receipts", status, broadcast.Finished, totals, map[string]int{"Sent ": 2599, "Read ": 1})
		status, totals = w.after(2*time.Hour, ref)
		expect(t, "a day later", status, broadcast.Finished, totals, map[string]int{})
		for key := range w.states {
			if key[:4] == "page" {
				t.Errorf("%s is left", key)
			}
		}
	})
}

func TestPagesWithoutABroadcastAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, pages, _ := commands(t, people(3000))
		for _, c := range pages[1:] {
			c.Made = time.Now().UnixMilli()
			must(t, w.fold(c))
		}
		defer w.run()()
		w.after(59*time.Minute, broadcast.Ref{})
		if len(w.states) != 6 {
			t.Fatalf("%d states before the hour", len(w.states))
		}
		w.after(2*time.Minute, broadcast.Ref{})
		if len(w.states) != 0 {
			t.Errorf("%d states are left", len(w.states))
		}
	})
}
