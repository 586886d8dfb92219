package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/outbound"
	"optgate/pipeline/stream"
)

// refuse lets Meta answer the first n calls with an error, and take all others.
func (w *world) refuse(n int, err error) {
	left := n
	w.meta = func(_ context.Context, m chat.Outbound) (string, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if left > 0 {
			left--
			return "", err
		}
		return "wamid." + m.ID, nil
	}
}

// gaps gives the seconds between a message's calls.
func (w *world) gaps(id string) (gaps []int) {
	times := w.called(id)
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, int(times[i].Sub(times[i-1]).Round(time.Second)/time.Second))
	}
	return gaps
}

func TestATooOldAnswerIsAskedAgainUnderTheSameIntent(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.refuse(2, fmt.Errorf("graph: %w", outbound.ErrStale))
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(time.Second)
		w.wantFact("m1", chat.Sent, "")
		if got := w.marks(outbound.Replies, "m1"); !slices.Equal(got, []string{"intent", "done"}) {
			t.Errorf("marks %v", got)
		}
		if n := w.counted("gate go"); n != 3 {
			t.Errorf("the gate was asked %d times", n)
		}
	})
}

func TestATooOldAnswerAndThenAnOptOutSendsNothing(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.refuse(1, outbound.ErrStale)
		answers := []gate.Answer{yes(), {Verdict: gate.Skip, List: "default", Channel: "*"}}
		w.gate = func(gate.Question) gate.Answer {
			a := answers[0]
			answers = answers[1:]
			return a
		}
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(time.Second)
		w.wantFact("m1", chat.Skipped, gate.SkipReason)
	})
}

func TestSlowKafkaMeansAskingTheGateAgain(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		l := w.lane(outbound.Replies)
		l.Intents = &slowLog{owned: &owned{w: w}, every: 300 * time.Millisecond}
		w.send(outbound.Replies, message("m1"))
		start(t, l)
		after(10 * time.Second)
		w.wantFact("m1", chat.Sent, "") // the world checks that no call begins with an answer that is over
		if n := w.counted("gate go"); n < 2 {
			t.Errorf("the gate was asked %d times", n)
		}
	})
}

// slowLog takes its time for each append that holds an intent.
type slowLog struct {
	*owned
	every time.Duration
}

func (s *slowLog) Append(ctx context.Context, topic stream.Topic, records []*stream.Record) (int64, error) {
	<-time.After(s.every)
	return s.owned.Append(ctx, topic, records)
}

func TestWhatWasNotSentIsTriedAgainUnderANewIntent(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.refuse(2, outbound.ErrNotSent)
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(10 * time.Second)
		w.wantFact("m1", chat.Sent, "")
		if got := w.marks(outbound.Replies, "m1"); !slices.Equal(got, []string{"intent", "again", "intent", "again", "intent", "done"}) {
			t.Errorf("marks %v", got)
		}
	})
}

func TestANextOwnerTriesWhatCertainlyWasNotHandedOver(t *testing.T) {
	for name, err := range map[string]error{
		"stale":    outbound.ErrStale,
		"not sent": outbound.ErrNotSent,
		"too fast": &outbound.Refusal{Code: 130429, Advice: outbound.Slow},
		"halted":   &outbound.Refusal{Code: 190, Advice: outbound.Halt},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *world) {
				w.refuse(1_000_000, err)
				w.send(outbound.Replies, message("m1"))
				stop := start(t, w.lane(outbound.Replies))
				after(100 * time.Millisecond)
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if len(w.facts()) > 0 {
					t.Errorf("facts %v", w.facts())
				}
				w.refuse(0, nil)
				start(t, w.lane(outbound.Replies))
				after(time.Second)
				w.wantFact("m1", chat.Sent, "")
			})
		})
	}
}

func TestANumberThatIsTooFastIsSlowed(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.refuse(1, &outbound.Refusal{Code: 130429, Advice: outbound.Slow})
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(10 * time.Second)
		w.wantFact("m1", chat.Sent, "")
		if !slices.Equal(w.slowed, []string{"acme/wa"}) || !slices.Equal(w.gaps("m1"), []int{1}) {
			t.Errorf("slowed %v, called again after %v s", w.slowed, w.gaps("m1"))
		}
		if n := w.counted("replies again"); n != 1 {
			t.Errorf("counted %d", n)
		}
	})
}

func TestAPairThatIsTooFastWaitsAloneAndLonger(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		left := 4
		w.meta = func(_ context.Context, m chat.Outbound) (string, error) {
			if m.Pseudonym == 1001 && left > 0 {
				left--
				return "", &outbound.Refusal{Code: 131056, Advice: outbound.Pair}
			}
			return "wamid", nil
		}
		w.send(outbound.Bulk, row("b", 1))
		start(t, w.lane(outbound.Bulk))
		after(500 * time.Millisecond)
		same := row("b", 2)
		same.Pseudonym = 1001
		w.send(outbound.Bulk, same, row("b", 3))
		after(200 * time.Millisecond)
		w.wantFact("b.3", chat.Sent, "")
		if n := len(w.called("b.2")); n > 0 {
			t.Error("the same person is called during the pause")
		}
		after(5 * time.Minute)
		w.wantFact("b.1", chat.Sent, "")
		w.wantFact("b.2", chat.Sent, "")
		calls := append(w.called("b.1"), w.called("b.2")...)
		slices.SortFunc(calls, time.Time.Compare)
		var pauses []int
		for i := 1; i < len(calls); i++ {
			if s := int(calls[i].Sub(calls[i-1]).Round(time.Second) / time.Second); s > 0 {
				pauses = append(pauses, s)
			}
		}
		if !slices.Equal(pauses, []int{1, 4, 16, 64}) && !slices.Equal(pauses, []int{1, 4, 16}) {
			t.Errorf("pauses %v", pauses)
		}
	})
}

func TestWhileMetaIsAwayAChannelTriesOneMessageAtATime(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		began := time.Now()
		w.meta = func(context.Context, chat.Outbound) (string, error) {
			if time.Since(began) < 10*time.Minute {
				return "", &outbound.Refusal{HTTP: 503, Code: 133004, Advice: outbound.Wait}
			}
			return "wamid", nil
		}
		for n := range 500 {
			w.send(outbound.Bulk, row("b", n+1))
		}
		start(t, w.lane(outbound.Bulk))
		after(9 * time.Minute)
		if n := len(w.order()); n > 64+30 {
			t.Errorf("%d calls while Meta was away", n)
		}
		after(5 * time.Minute)
		if n := len(w.facts()); n != 500 {
			t.Errorf("%d sent", n)
		}
	})
}

func TestAChannelThatCantSendWaitsAndTheOthersGoOn(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		var mended atomic.Bool
		w.meta = func(_ context.Context, m chat.Outbound) (string, error) {
			if !mended.Load() && m.Channel == channel {
				return "", &outbound.Refusal{HTTP: 401, Code: 190, Title: "Access token has expired", Advice: outbound.Halt}
			}
			return "wamid", nil
		}
		short := row("b", 1)
		short.Until = time.Now().Add(30 * time.Minute).UnixMilli()
		w.send(outbound.Bulk, short)
		for n := range 100 {
			elsewhere := row("c", n+1)
			elsewhere.Channel = "other"
			w.send(outbound.Bulk, row("b", n+2), elsewhere)
		}
		start(t, w.lane(outbound.Bulk))
		after(time.Hour)
		if n := len(w.facts()); n != 101 {
			t.Errorf("%d facts: want the other channel's 100 and the one that expired", n)
		}
		w.wantFact("b.1", chat.Expired, "")
		if n := len(w.order()) - 100; n > 64+20 {
			t.Errorf("%d calls of a channel that can't send", n)
		}
		notices := 0
		for id, told := range w.told() {
			for _, f := range told {
				if f.Status != chat.Queued {
					continue
				}
				if notices++; f.Broadcast != "b" || f.Code != 190 || f.Error != "190 Access token has expired" {
					t.Errorf("%s: %+v", id, f)
				}
			}
		}
		if w.counted("bulk halted") == 0 || notices < 2 || notices > 20 {
			t.Errorf("told %d times: wanted each time that a try failed", notices)
		}
		mended.Store(true)
		after(10 * time.Minute)
		if n := len(w.facts()); n != 201 {
			t.Errorf("%d facts after the token was mended", n)
		}
	})
}

func TestAFinalRefusalIsShownAsMetaSaysIt(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.refuse(1, &outbound.Refusal{Code: 131026, Title: "Message undeliverable", Advice: outbound.Fail})
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(time.Minute)
		w.wantFact("m1", chat.Failed, "131026 Message undeliverable")
		if n := len(w.order()); n != 1 {
			t.Errorf("called %d times", n)
		}
	})
}

func TestWhoStoppedAtMetaIsFiled(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.refuse(1, &outbound.Refusal{Code: 131050, Title: "Stopped marketing", Advice: outbound.OptedOut})
		l := w.lane(outbound.Replies)
		l.OptedOut = func(m chat.Outbound, _ time.Time) (*stream.Record, error) {
			return &stream.Record{Topic: stream.Commands, Key: []byte(m.Pseudonym.String()), Value: []byte("{}")}, nil
		}
		w.send(outbound.Replies, message("m1"))
		start(t, l)
		after(time.Second)
		w.wantFact("m1", chat.Failed, "131050 Stopped marketing")
		if commands := w.logs[place{stream.Commands, 0}]; len(commands) != 1 || string(commands[0].Key) != "7" {
			t.Errorf("commands %v", commands)
		}
	})
}

func TestWhatNobodyKnowsIsUnknownAndNeverRepeated(t *testing.T) {
	for name, meta := range map[string]func(context.Context, chat.Outbound) (string, error){
		"an error": func(context.Context, chat.Outbound) (string, error) { return "", errors.New("connection reset") },
		"a panic":  func(context.Context, chat.Outbound) (string, error) { panic("bug") },
		"no answer": func(ctx context.Context, _ chat.Outbound) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *world) {
				w.meta = meta
				w.send(outbound.Replies, message("m1"))
				stop := start(t, w.lane(outbound.Replies))
				after(time.Hour)
				w.wantFact("m1", chat.Unknown, outbound.NoAnswer)
				if err := stop(); err != nil {
					t.Error(err)
				}
				start(t, w.lane(outbound.Replies))
				after(time.Hour)
				if n := len(w.order()); n != 1 {
					t.Errorf("called %d times", n)
				}
			})
		})
	}
}
