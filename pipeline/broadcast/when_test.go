package broadcast_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
)

// planned makes the broadcast b1 with a plan that is changed, as no request of this test's could say it.
func (w *world) planned(body string, change func(p *broadcast.Plan)) broadcast.Ref {
	w.t.Helper()
	ref := w.plan(body)
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.broadcast(w.t, ref)
	change(&b.Plan)
	state, err := json.Marshal(b)
	must(w.t, err)
	w.states[ref.Key()] = state
	return ref
}

// The world begins at midnight in London, five hours before it is midnight in New York.
func TestRowsWaitForTheirQuietHoursAndHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.every = time.Second
		var all []string
		for i := range 1500 {
			all = append(all, to(fmt.Sprintf("+4477001%05d", i)), to(fmt.Sprintf("+1212456%04d", i)))
		}
		ref := w.planned(asked(all...), func(p *broadcast.Plan) { p.Quiet = &chat.Quiet{From: 23 * 60, To: 4 * 60} })
		stop := w.run()
		sent := func() (london, newYork int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, m := range w.messages {
				if m.Quiet == nil {
					t.Fatal("the lane is not told of quiet hours")
				}
				if strings.HasPrefix(string(m.To), "phone:44") {
					london++
				} else {
					newYork++
				}
			}
			return london, newYork
		}
		w.after(time.Hour, ref) // 0:00 to 1:00 in London, 19:00 to 20:00 in New York
		if london, newYork := sent(); london != 0 || newYork != 1500 {
			t.Errorf("%d and %d were sent to", london, newYork)
		}
		stop() // a runner that begins anew finds the same
		stop = w.run()
		defer func() { stop() }()
		w.after(2*time.Hour+59*time.Minute, ref)
		if london, _ := sent(); london != 0 {
			t.Errorf("%d were sent to before four in the morning", london)
		}
		status, totals := w.after(10*time.Minute, ref)
		expect(t, "in the morning", status, broadcast.Finished, totals, map[string]int{"Sent ": 3000})
		if w.repeats > 0 {
			t.Errorf("%d repeats", w.repeats)
		}
	})
}

func TestNothingIsHandedOverBeforeItsTimeAndNotFasterThanAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		begins := time.Now().Add(time.Hour)
		ref := w.planned(people(400), func(p *broadcast.Plan) { p.StartsAt, p.Rate = begins.UnixMilli(), 4 })
		stop := w.run()
		if status, _ := w.after(30*time.Minute, ref); status != broadcast.Planned {
			t.Fatal(status)
		}
		stop()
		defer w.run()()
		if status, _ := w.after(29*time.Minute, ref); status != broadcast.Planned || len(w.messages) > 0 {
			t.Fatalf("%s, %d messages", status, len(w.messages))
		}
		last := 0
		for range 9 {
			w.after(10*time.Second, ref)
			if n := len(w.messages); n-last > 46 {
				t.Errorf("%d messages in 10 s", n-last)
			}
			last = len(w.messages)
		}
		if last < 100 || last > 130 { // half a minute of them
			t.Errorf("%d messages in half a minute", last)
		}
	})
}

func TestCreditIsHalfAMinuteOfTheRateAndNoMoreThanTheTierLeaves(t *testing.T) {
	f := func(want int, prepare func(w *world)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.lane = func(chat.Outbound) chat.Status { return "" }
			prepare(w)
			body := strings.Replace(people(2000), text, `{"type":"template","template":{"name":"offer","language":{"code":"en"}}}`, 1)
			ref := w.plan(body)
			defer w.run()()
			w.after(20*time.Second, ref)
			if len(w.messages) != want {
				t.Errorf("%d messages in the lanes, want %d", len(w.messages), want)
			}
		})
	}
	f(300, func(*world) {}) // 10 a second
	f(250, func(w *world) { w.left = 250 })
	f(300, func(w *world) { w.condition = channel.Condition{Coexists: true} })
}

// Rows whose pages an audience holds, perhaps in another shard, lack what is found only as they are handed over.
func TestAnUploadedAudienceIsSentTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.every, w.idle = time.Second, time.Second // for a day
		audience := broadcast.Ref{Account: "acme", ID: "up1"}
		ref := w.planned(people(4), func(p *broadcast.Plan) { p.Source.Upload, p.Pages = audience.ID, []int{2, 2} })
		page := func(n int, rows ...broadcast.Row) {
			state, err := json.Marshal(broadcast.Page{V: 1, Rows: rows})
			must(t, err)
			w.states[audience.PageKey(n)] = state
		}
		row := func(i int, params map[string]string) broadcast.Row {
			return broadcast.Row{N: i, To: chat.Identifier(fmt.Sprintf("phone:44770090020%d", i)), Pseudonym: chat.Pseudonym(i), Params: params}
		}
		page(0, row(1, map[string]string{"name": "Ada"}), row(2, map[string]string{"town": "York"}))
		page(1, row(3, map[string]string{"name": strings.Repeat("x", 5000)}), broadcast.Row{N: 4, Error: broadcast.InvalidNumber})
		defer w.run()()
		status, totals := w.after(5*time.Second, ref)
		expect(t, "at the end", status, broadcast.Finished, totals, map[string]int{
			"Sent ": 1, "Failed Missing Parameter: name": 1, "Failed Message Too Long: text.body": 1, "Failed Invalid Number": 1,
		})
		w.after(26*time.Hour, ref)
		if w.released != 1 || w.states[audience.PageKey(0)] == nil {
			t.Errorf("the audience was released %d times", w.released)
		}
	})
}

// members are the people of a segment, who fail to be told a few times.
type members struct {
	all   []chat.Identifier
	fails int
}

func (p *members) Account(context.Context, string) (optout.Account, error) {
	return terms().Account, nil
}

func (p *members) Members(_ context.Context, _ segment.Segment, _ string, each func([]chat.Identifier) error) error {
	for i, id := range p.all {
		if p.fails > 0 && i == len(p.all)/2 {
			p.fails--
			return fault.New(fault.NotCertain, "not_certain", "away")
		}
		if err := each([]chat.Identifier{id}); err != nil {
			return err
		}
	}
	return nil
}

func (p *members) Attributes(_ context.Context, _ string, ids []chat.Identifier) (map[chat.Identifier]map[string]string, error) {
	known := map[chat.Identifier]map[string]string{}
	for _, id := range ids {
		if !strings.HasSuffix(string(id), "7") {
			known[id] = map[string]string{"name": "Ada"}
		}
	}
	return known, nil
}

// Outcomes are kept for 28 days, and a broadcast may be planned for a later day.
func TestABroadcastNeedsNoFactsFromBeforeItsBegin(t *testing.T) {
	const ahead = 48 * time.Hour
	f := func(lost time.Duration, source broadcast.Source) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.idle, w.every = time.Minute, time.Minute
			w.segments = &members{all: []chat.Identifier{"phone:447700900101", "phone:447700900102"}}
			ref := w.planned(asked(to("+447700900101"), to("+447700900102")), func(p *broadcast.Plan) {
				p.StartsAt, p.EndsAt = time.Now().Add(ahead).UnixMilli(), time.Now().Add(2*ahead).UnixMilli()
				if p.Source = source; source.Segment != nil {
					p.Pages, p.Audience = nil, 0
				}
			})
			stop := w.run()
			w.after(lost, ref)
			stop()
			for range 50 {
				w.append(fact(t, "another.1", 1, chat.Sent))
			}
			w.wipe()
			w.kept = 40
			stop = w.run()
			status, totals := w.after(ahead-lost+time.Hour, ref)
			expect(t, "at the end", status, broadcast.Finished, totals, map[string]int{"Sent ": 2})
			if b := w.broadcast(t, ref); b.Outcomes < 40 || b.Outcomes > 50 {
				t.Errorf("facts about it are looked for from %d on", b.Outcomes)
			}
			stop()
			w.wipe()
			defer w.run()()
			status, totals = w.after(time.Hour, ref)
			expect(t, "once the report was lost", status, broadcast.Finished, totals, map[string]int{"Sent ": 2})
		})
	}
	for _, lost := range []time.Duration{time.Hour, ahead - time.Minute} {
		f(lost, broadcast.Source{})
		f(lost, broadcast.Source{Segment: &segment.Segment{}})
	}
}

func TestASegmentIsFrozenWhenItsBroadcastBegins(t *testing.T) {
	f := func(people *members, runners int, want map[string]int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.segments = people
			ref := w.planned(asked(to("+447700900101")), func(p *broadcast.Plan) {
				p.Source.Segment, p.Pages, p.Audience = &segment.Segment{}, nil, 0
				p.StartsAt = time.Now().Add(time.Minute).UnixMilli()
			})
			for range runners {
				defer w.run()()
			}
			if status, _ := w.after(59*time.Second, ref); status != broadcast.Planned {
				t.Fatal(status)
			}
			status, totals := w.after(2*time.Minute, ref)
			expect(t, "at the end", status, broadcast.Finished, totals, want)
		})
	}
	var all []chat.Identifier
	for i := range 1100 {
		all = append(all, chat.Identifier(fmt.Sprintf("phone:44770090%04d", i)))
	}
	want := map[string]int{"Sent ": 990, "Failed Missing Parameter: name": 110}
	f(&members{all: append(all, all[:20]...)}, 1, want)
	f(&members{all: all, fails: 2}, 1, want)
	f(&members{all: all}, 2, want)
	f(&members{}, 1, map[string]int{})
}

func draftAs(id, body string) (broadcast.Draft, error) {
	r, wrong, err := broadcast.ParseRequest([]byte(body))
	if err != nil {
		return broadcast.Draft{}, err
	}
	at := terms()
	at.Now = time.Now()
	return at.Draft(id, []byte(body), r, wrong)
}

// A broadcast of a few people beside one of very many has its turns, whoever's it is.
func TestASmallBroadcastDoesNotWaitForALargeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.speed = 30 * time.Second // of 300 in the lanes: ten a second
		large := w.plan(people(5000))
		defer w.run()()
		w.after(10*time.Second, large)
		w.speed = time.Second
		d, err := draftAs("b2", people(20))
		must(t, err)
		w.create(d)
		status, totals := w.after(4*time.Second, d.Ref)
		expect(t, "the small one", status, broadcast.Finished, totals, map[string]int{"Sent ": 20})
		if status, _ := w.after(0, large); status != broadcast.Running {
			t.Errorf("the large one is %s", status)
		}
	})
}
