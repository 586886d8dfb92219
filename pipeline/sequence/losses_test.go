package sequence_test

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/sequence"
)

func crowd(n int) (phones []string) {
	for i := range n {
		phones = append(phones, fmt.Sprintf("4477009%05d", 200+i))
	}
	return phones
}

// outcome is what there is at the end of a story that ended well: each of n people got each of the steps once.
func outcome(t *testing.T, w *world, n, steps int) {
	t.Helper()
	each := map[string]int{}
	for _, m := range w.messages {
		each[m.ID]++
	}
	if len(w.messages) != n*steps || len(each) != n*steps {
		t.Errorf("%d messages of %d ids, not %d", len(w.messages), len(each), n*steps)
	}
	sums := w.adds()
	if want := map[sequence.Standing]int{sequence.Done: n}; !maps.Equal(sums.People, want) || sums.Status(chat.Sent) != n*steps {
		t.Errorf("%v, %d sent", sums.People, sums.Status(chat.Sent))
	}
}

// Wherever the runner's process is killed, and another begins, everybody gets every step once. Each operation that touches the
// world is tried: before it has happened, and after.
func TestARunnerMayBeKilledAnywhere(t *testing.T) {
	for at := 1; ; at++ {
		reached := true
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.plan(asked(text("one", `{"minutes":0}`), text("two", `{"minutes":1}`)))
			w.subscribe(false, crowd(5)...)
			w.change(`{` + steps(kept(1, "one", `{"minutes":0}`), text("new", `{"minutes":1}`), kept(2, "two", `{"minutes":1}`)) + `}`)
			w.kill = at
			stop := w.run()
			w.after(5 * time.Minute)
			reached = w.kill == 0
			stop()
			w.kill = 0
			defer w.run()()
			w.after(10 * time.Minute)
			outcome(t, w, 5, 3)
			if t.Failed() {
				t.Logf("killed at operation %d", at)
			}
		})
		if t.Failed() || !reached {
			if at < 10 {
				t.Errorf("only %d operations were tried", at)
			}
			return
		}
	}
}

func TestTwoRunnersDoNoHarm(t *testing.T) {
	story(t, func(t *testing.T, w *world, _ time.Time) {
		w.plan(asked(text("one", `{"minutes":0}`), text("two", `{"minutes":1}`)))
		defer w.run()()
		defer w.run()()
		w.subscribe(false, crowd(40)...)
		w.after(10 * time.Minute)
		outcome(t, w, 40, 2)
		if w.repeats != 0 {
			t.Errorf("%d messages were handed over twice", w.repeats)
		}
	})
}

func TestLanesHoldNoMoreThanTheCredit(t *testing.T) {
	story(t, func(t *testing.T, w *world, _ time.Time) {
		w.lane = func(chat.Outbound) chat.Status { return "" }
		w.plan(asked(text("one", `{"minutes":0}`)))
		defer w.run()()
		w.subscribe(false, crowd(1000)...)
		w.after(10 * time.Minute)
		if len(w.messages) != 300 { // 10 a second for 30 seconds
			t.Fatalf("%d messages in the lanes", len(w.messages))
		}
		w.mu.Lock()
		w.lane = func(chat.Outbound) chat.Status { return chat.Sent }
		for _, m := range w.messages {
			w.inLanes--
			w.tell(m.Outbound, chat.Failed)
		}
		w.mu.Unlock()
		w.after(30 * time.Minute)
		if sums := w.adds(); sums.Status(chat.Sent) != 700 || sums.Status(chat.Failed) != 300 || w.most > 300 {
			t.Errorf("%d sent, %d at once", sums.Status(chat.Sent), w.most)
		}
	})
}

func TestNobodyIsSentToWhereTheGateCanNotKnow(t *testing.T) {
	story(t, func(t *testing.T, w *world, _ time.Time) {
		certain := false
		w.gate = func(gate.Question) gate.Answer {
			if certain {
				return gate.Answer{Verdict: gate.Go}
			}
			return gate.Answer{}
		}
		w.plan(asked(text("one", `{"minutes":0}`)))
		defer w.run()()
		w.subscribe(false, crowd(20)...)
		w.after(10 * time.Minute)
		if len(w.messages) != 0 {
			t.Fatalf("%d messages", len(w.messages))
		}
		w.mu.Lock()
		certain = true
		w.mu.Unlock()
		w.after(5 * time.Minute)
		outcome(t, w, 20, 1)
	})
}

// While the view is away nothing is decided; and what was told of messages meanwhile, or before this runner began, is folded later.
func TestReceiptsFoldByRankWhoeverReadsThem(t *testing.T) {
	story(t, func(t *testing.T, w *world, _ time.Time) {
		w.plan(asked(text("one", `{"minutes":0}`)))
		w.lane = func(chat.Outbound) chat.Status { return "" }
		stop := w.run()
		w.subscribe(false, ada, bob)
		w.after(time.Minute)
		stop()
		w.mu.Lock()
		for _, status := range []chat.Status{chat.Read, chat.Sent, chat.Delivered, chat.Sent} {
			w.tell(w.messages[0].Outbound, status)
		}
		w.tell(w.messages[1].Outbound, chat.Unknown)
		stranger := w.messages[0].Outbound
		stranger.ID = ref.MessageID(7, 7, 7)
		w.tell(stranger, chat.Sent)
		stranger.Broadcast = "seq_other"
		w.tell(stranger, chat.Sent)
		w.away = true
		w.mu.Unlock()
		defer w.run()()
		w.after(time.Minute)
		if sums := mustSums(t, w); sums.Status(chat.Queued) != 2 {
			t.Errorf("while the view is away: %+v", sums)
		}
		w.mu.Lock()
		w.away = false
		w.mu.Unlock()
		w.after(time.Minute)
		if sums := w.adds(); sums.Status(chat.Read) != 1 || sums.Status(chat.Unknown) != 1 || sums.Status(chat.Queued) != 0 || sums.Folded != int64(len(w.outcomes)) {
			t.Errorf("%+v", sums)
		}
		for _, phone := range []string{ada, bob} {
			if row := w.standing(phone).Rows[0]; row.Status == chat.Read && (row.Sent == 0 || row.Delivered == 0 || row.Read == 0 || row.MessageID == "") {
				t.Errorf("%+v", row)
			}
		}
	})
}

func mustSums(t *testing.T, w *world) sequence.Sums {
	t.Helper()
	w.mu.Lock()
	away := w.away
	w.away = false
	w.mu.Unlock()
	_, sums, err := w.Sequence(t.Context(), ref)
	must(t, err)
	w.mu.Lock()
	w.away = away
	w.mu.Unlock()
	return *sums
}
