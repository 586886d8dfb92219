package sequence_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/sequence"
)

const ada, bob = "447700900101", "447700900102"

func text(body, after string) string {
	return fmt.Sprintf(`{"message":{"type":"text","text":{"body":%q}},"after":%s}`, body, after)
}

func kept(id int, body, after string) string {
	return fmt.Sprintf(`{"id":%d,`, id) + text(body, after)[1:]
}

func steps(all ...string) string {
	out := ""
	for i, s := range all {
		if i > 0 {
			out += ","
		}
		out += s
	}
	return `"steps":[` + out + `]`
}

func asked(all ...string) string {
	return `{"name":"Welcome","channel":"wa","category":"marketing","lists":["default"],` + steps(all...) + `}`
}

// story runs a test in a bubble whose time begins at 2026-11-22T10:00:00Z.
func story(t *testing.T, tell func(t *testing.T, w *world, began time.Time)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)))
		tell(t, newWorld(t), time.Now())
	})
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, not %q", what, got, want)
	}
}

func TestStepsComeWhenTheyAreDue(t *testing.T) {
	story(t, func(t *testing.T, w *world, began time.Time) {
		w.plan(asked(text("Hi {{name}}", `{"minutes":0}`), text("two", `{"minutes":90}`), text("three", `{"hours":2}`),
			text("four", `{"days":3}`), text("five", `{"days":1},"at":"09:00","zone":"recipient"`)))
		defer w.run()()
		same(t, "subscribed", w.subscribe(false, ada), sequence.Subscribed)
		w.after(6 * 24 * time.Hour)
		// The fourth leaves on Wednesday at 13:30 in London; a day later it is past nine, and so the fifth leaves on Friday.
		same(t, "sent", w.texts(began, ada), "0s Hi Ada", "1h30m0s two", "3h30m0s three", "75h30m0s four", "119h0m0s five")
		if s := w.standing(ada); s.Standing != sequence.Done || len(s.Rows) != 5 || s.Rows[4].Status != chat.Sent {
			t.Errorf("at the end: %+v", s)
		}
		if m := w.messages[0]; m.Kind != chat.KindSequence || m.Category != chat.Marketing || m.Broadcast != ref.ID || m.Row != 1 ||
			m.Given != "+447700900101" || time.UnixMilli(m.Until).Sub(m.at).Round(time.Hour) != sequence.Validity {
			t.Errorf("message %+v", m)
		}
		if sums := w.adds(); sums.Status(chat.Sent) != 5 || sums.Steps[3][chat.Sent] != 1 {
			t.Errorf("sums %+v", sums)
		}
	})
}

// A message every day at nine stays one every day at nine: also where the clocks are changed, and though each leaves a little
// later than it is due.
func TestAFixedHourIsKeptWhereTheClocksChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2027, 3, 26, 8, 0, 0, 0, time.UTC)))
		w := newWorld(t)
		daily := text("day", `{"days":1},"at":"01:30","zone":"Europe/London"`)
		london := text("day", `{"days":1},"at":"09:00"`)
		w.plan(asked(text("now", `{"minutes":0},"at":"09:00"`), london, london, london, daily, daily))
		defer w.run()()
		w.subscribe(false, ada, "4915112345678", "12125550123")
		w.after(9 * 24 * time.Hour)
		zone := func(name string) *time.Location {
			z, err := time.LoadLocation(name)
			must(t, err)
			return z
		}
		for phone, z := range map[string]*time.Location{ada: zone("Europe/London"), "4915112345678": zone("Europe/Berlin"), "12125550123": zone("America/New_York")} {
			var at []string
			for _, m := range w.messages {
				if m.To == chat.Identifier("phone:"+phone) {
					at = append(at, m.at.In(z).Format("02 15:04"))
				}
			}
			if len(at) != 6 {
				t.Fatalf("%s: %v", phone, at)
			}
			same(t, phone, at[:4], "26 09:00", "27 09:00", "28 09:00", "29 09:00")
		}
	})
}

func TestWhoStopsGetsNothingMore(t *testing.T) {
	story(t, func(t *testing.T, w *world, began time.Time) {
		w.plan(asked(text("one", `{"minutes":0}`), text("two", `{"hours":1}`), text("three", `{"hours":1}`)))
		out := false
		w.gate = func(q gate.Question) gate.Answer {
			if !slices.Equal(q.Lists, gate.Lists(chat.KindSequence, chat.Marketing, []string{"default"})) || q.Account != "acme" || q.Channel != "wa" {
				t.Errorf("asked %+v", q)
			}
			if out && q.Pseudonym == key.Pseudonym("phone:"+ada) {
				return gate.Answer{Verdict: gate.Skip, List: "default", Channel: "wa"}
			}
			return gate.Answer{Verdict: gate.Go}
		}
		defer w.run()()
		w.subscribe(false, ada, bob)
		w.after(30 * time.Minute)
		w.mu.Lock()
		out = true
		w.mu.Unlock()
		w.after(time.Hour)
		w.mu.Lock()
		out = false // who comes back gets what is still to come
		w.mu.Unlock()
		w.after(3 * time.Hour)
		same(t, "who stopped", w.texts(began, ada), "0s one", "2h0m0s three")
		same(t, "who didn't", w.texts(began, bob), "0s one", "1h0m0s two", "2h0m0s three")
		if row := w.standing(ada).Rows[1]; row.Status != chat.Skipped || row.Error != gate.SkipReason || row.List != "default" || row.Reason == "" {
			t.Errorf("row %+v", row)
		}
		if sums := w.adds(); sums.Steps[2][chat.Skipped] != 1 || sums.Lists["default"] != 1 || sums.Errors[gate.SkipReason] != 1 {
			t.Errorf("sums %+v", sums)
		}
	})
}

func TestListsCountFromTheNextStepOn(t *testing.T) {
	story(t, func(t *testing.T, w *world, _ time.Time) {
		w.plan(asked(text("one", `{"minutes":0}`), text("two", `{"hours":1}`)))
		var lists [][]string
		w.gate = func(q gate.Question) gate.Answer {
			lists = append(lists, q.Lists)
			return gate.Answer{Verdict: gate.Go}
		}
		defer w.run()()
		w.subscribe(false, ada)
		w.after(time.Minute)
		w.change(`{"lists":["news","default"]}`)
		w.after(2 * time.Hour)
		if len(lists) != 2 || !slices.Equal(lists[1], gate.Lists(chat.KindSequence, chat.Marketing, []string{"default", "news"})) || !slices.Equal(w.messages[1].Lists, []string{"default", "news"}) {
			t.Errorf("asked %v", lists)
		}
	})
}

func TestASequenceIsChangedWhileItRuns(t *testing.T) {
	f := func(name, patch string, at time.Duration, want ...string) {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, began time.Time) {
				w.plan(asked(text("one", `{"minutes":0}`), text("two", `{"days":2}`), text("three", `{"days":1}`)))
				defer w.run()()
				w.subscribe(false, ada)
				w.after(at)
				w.change(patch)
				w.after(time.Second)
				w.ask(sequence.KindFacts, sequence.Facts{ID: ref.ID}) // a round ends
				w.after(10 * 24 * time.Hour)
				same(t, "sent", w.texts(began, ada), want...)
				if s := w.standing(ada); s.Standing != sequence.Done {
					t.Errorf("%+v", s)
				}
				w.adds()
			})
		})
	}
	one, two, three := kept(1, "one", `{"minutes":0}`), kept(2, "two", `{"days":2}`), kept(3, "three", `{"days":1}`)
	f("another text", `{`+steps(one, kept(2, "TWO", `{"days":2}`), three)+`}`, time.Hour, "0s one", "48h0m0s TWO", "72h0m0s three")
	f("sooner", `{`+steps(one, kept(2, "two", `{"hours":5}`), three)+`}`, time.Hour, "0s one", "5h0m0s two", "29h0m0s three")
	f("sooner than now", `{`+steps(one, kept(2, "two", `{"hours":5}`), three)+`}`, 10*time.Hour, "0s one", "10h0m0s two", "34h0m0s three")
	f("later", `{`+steps(one, kept(2, "two", `{"days":4}`), three)+`}`, time.Hour, "0s one", "96h0m0s two", "120h0m0s three")
	f("the step that is waited for is taken out", `{`+steps(one, three)+`}`, time.Hour, "0s one", "24h0m0s three")
	f("the step that was had is taken out", `{`+steps(two, three)+`}`, time.Hour, "0s one", "48h0m0s two", "72h0m0s three")
	f("one is put between", `{`+steps(one, text("new", `{"hours":3}`), two, three)+`}`, time.Hour, "0s one", "3h0m0s new", "51h0m0s two", "75h0m0s three")
	f("one is put before", `{`+steps(text("new", `{"hours":3}`), one, two, three)+`}`, time.Hour, "0s one", "48h0m0s two", "72h0m0s three")
	f("the others change places", `{`+steps(one, three, two)+`}`, time.Hour, "0s one", "24h0m0s three", "72h0m0s two")
	f("nothing else is left", `{`+steps(one)+`}`, time.Hour, "0s one")
	f("quiet hours", `{"quiet_hours":{"from":"09:30","to":"12:00","zone":"UTC"}}`, time.Hour, "0s one", "50h0m0s two", "74h0m0s three")
}

func TestPausedNothingLeavesAndNothingIsLost(t *testing.T) {
	story(t, func(t *testing.T, w *world, began time.Time) {
		w.plan(asked(text("one", `{"hours":1}`), text("two", `{"hours":1}`)))
		defer w.run()()
		w.subscribe(false, ada)
		w.become(sequence.Paused)
		same(t, "subscribed while paused", w.subscribe(false, bob), sequence.Subscribed)
		w.after(3 * 24 * time.Hour)
		same(t, "while paused", w.texts(began, ada))
		w.become(sequence.Active)
		w.after(5 * time.Hour)
		same(t, "after it", w.texts(began, ada), "72h0m0s one", "73h0m0s two")
		same(t, "after it", w.texts(began, bob), "72h0m0s one", "73h0m0s two")
	})
}

// After a long time in which nothing ran, what is too old is Expired, and the series goes on from when it should have been sent.
func TestAfterALongDowntimeOldStepsExpire(t *testing.T) {
	story(t, func(t *testing.T, w *world, began time.Time) {
		w.plan(asked(text("one", `{"days":1}`), text("two", `{"days":1}`), text("three", `{"days":1}`), text("four", `{"hours":1}`)))
		w.subscribe(false, ada)
		w.after(3*24*time.Hour + 6*time.Hour)
		defer w.run()()
		w.after(24 * time.Hour)
		same(t, "sent", w.texts(began, ada), "78h0m0s three", "79h0m0s four")
		if rows := w.standing(ada).Rows; len(rows) != 4 || rows[0].Status != chat.Expired || rows[1].Status != chat.Expired {
			t.Errorf("rows %+v", rows)
		}
		w.adds()
	})
}

func TestSubscribingTwiceAndAgain(t *testing.T) {
	story(t, func(t *testing.T, w *world, began time.Time) {
		w.plan(asked(text("one", `{"minutes":0}`), text("two", `{"hours":1}`)))
		defer w.run()()
		w.subscribe(false, ada)
		w.after(time.Minute)
		same(t, "twice", w.subscribe(false, ada, bob), sequence.Already, sequence.Subscribed)
		w.unsubscribe(ada)
		w.after(5 * time.Hour)
		same(t, "unsubscribed", w.texts(began, ada), "0s one")
		same(t, "fresh ones only", w.subscribe(true, ada, bob), sequence.Before, sequence.Before)
		same(t, "again", w.subscribe(false, ada, bob), sequence.Again, sequence.Again)
		w.after(5 * time.Hour)
		same(t, "anew", w.texts(began, ada), "0s one", "5h1m0s one", "6h1m0s two")
		if s := w.standing(bob); len(s.Rows) != 4 || s.Standing != sequence.Done {
			t.Errorf("rows of both rounds: %+v", s)
		}
		w.adds()
	})
}

func TestWhatIsOverIsForgotten(t *testing.T) {
	story(t, func(t *testing.T, w *world, _ time.Time) {
		w.plan(asked(text("one", `{"minutes":0}`)))
		defer w.run()()
		w.subscribe(false, ada)
		w.after(sequence.Kept - time.Hour)
		if s := w.standing(ada); s.Standing != sequence.Done {
			t.Fatalf("not kept: %+v", s)
		}
		w.after(2 * time.Hour)
		if s := w.standing(ada); s.Standing != "" {
			t.Errorf("still there: %+v", s)
		}
		if sums := w.adds(); sums.Status(chat.Sent) != 0 || sums.Subscribers() != 0 {
			t.Errorf("sums %+v", sums)
		}
		w.subscribe(false, ada, bob)
		w.become(sequence.Deleted)
		w.after(sequence.Kept - time.Hour)
		w.mu.Lock()
		if len(w.people(ref)) != 2 || len(w.messages) != 1 {
			t.Errorf("%d people, %d messages", len(w.people(ref)), len(w.messages))
		}
		w.mu.Unlock()
		w.after(2 * time.Hour)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.people(ref)) != 0 || w.states[ref.Key()] != nil || w.states[ref.SumsKey()] != nil {
			t.Errorf("states left: %v", w.states)
		}
	})
}

// Steps that are due one after the other don't overtake each other in a slow lane; a step of which nothing becomes known holds
// the next one up no longer than that can still be sent.
func TestAStepWaitsForWhatBecomesOfTheOneBefore(t *testing.T) {
	story(t, func(t *testing.T, w *world, began time.Time) {
		w.plan(asked(text("one", `{"minutes":0}`), text("two", `{"minutes":0}`), text("three", `{"minutes":5}`)))
		w.lane = func(chat.Outbound) chat.Status { return "" }
		defer w.run()()
		w.subscribe(false, ada, bob)
		w.after(time.Hour)
		same(t, "in the lane", w.texts(began, ada), "0s one")
		w.mu.Lock()
		for _, m := range w.messages {
			if m.To == chat.Identifier("phone:"+ada) {
				w.tell(m.Outbound, chat.Sent)
			}
		}
		w.mu.Unlock()
		w.after(time.Hour)
		same(t, "once it was sent", w.texts(began, ada), "0s one", "1h0m0s two")
		w.after(22 * time.Hour)
		same(t, "nothing is known", w.texts(began, bob), "0s one", "23h59m0s two")
		w.adds()
	})
}
