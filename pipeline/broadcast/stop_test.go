package broadcast_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// answered makes the lanes answer with errors of Meta's.
func (w *world) answered(code func(row int) (int, bool)) {
	w.fact = func(m chat.Outbound) chat.Fact {
		if n, bad := code(m.Row); bad {
			return chat.Fact{Status: chat.Failed, Code: n, Error: fmt.Sprint(n, " said Meta")}
		}
		return chat.Fact{Status: chat.Sent}
	}
}

func (w *world) now(ref broadcast.Ref) broadcast.Broadcast {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broadcast(w.t, ref)
}

func TestABroadcastPausesByItself(t *testing.T) {
	f := func(name, want string, most int, prepare func(w *world)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.speed = 200 * time.Millisecond
				prepare(w)
				ref := w.plan(people(2000))
				defer w.run()()
				w.after(time.Minute, ref)
				b := w.now(ref)
				if want == "" {
					if b.Status != broadcast.Finished || len(w.paused) > 0 {
						t.Errorf("%s, %+v, paused %v", b.Status, b.Pause, w.paused)
					}
					return
				}
				if b.Status != broadcast.Paused || b.Pause.Code != want || b.Pause.Reason == "" || len(w.messages) > most {
					t.Fatalf("%s, %+v after %d messages", b.Status, b.Pause, len(w.messages))
				}
				if fmt.Sprint(w.paused) != "["+want+"]" {
					t.Errorf("counted %v", w.paused)
				}
				w.move(ref, broadcast.Running)
				if status, _ := w.after(100*time.Millisecond, ref); status == broadcast.Paused {
					t.Error("what was known when somebody let it go on paused it again")
				}
			})
		})
	}
	every := func(n, code int) func(int) (int, bool) {
		return func(row int) (int, bool) { return code, row%n == 0 }
	}
	f("template paused", broadcast.PauseTemplate, 600, func(w *world) { w.answered(every(1, 132015)) })
	f("template absent for one", broadcast.PauseTemplate, 900, func(w *world) { w.answered(every(300, 132001)) })
	f("parameters of a few are wrong", "", 0, func(w *world) { w.answered(every(3, 132000)) })
	f("parameters of most are wrong", broadcast.PauseFailures, 900, func(w *world) { w.answered(every(2, 132000)) })
	f("one in four wants none", broadcast.PauseUnwanted, 900, func(w *world) { w.answered(every(4, 131050)) })
	f("one in ten wants none", "", 0, func(w *world) { w.answered(every(10, 131049)) })
	f("a lane tells that the token has expired", broadcast.PauseToken, 300, func(w *world) {
		w.answered(func(int) (int, bool) { return 0, false })
		w.fact = func(chat.Outbound) chat.Fact { return chat.Fact{Status: chat.Queued, Code: 190, Error: "190 expired"} }
	})
	f("spam limit", broadcast.PauseSpam, 300, func(w *world) {
		w.fact = func(chat.Outbound) chat.Fact {
			return chat.Fact{Status: chat.Queued, Code: 131048, Error: "131048 spam"}
		}
	})
	f("nobody is known to be refused", "", 0, func(*world) {})
	f("the channel is barred", channel.CodeToken, 0, func(w *world) {
		w.condition = channel.Condition{Barred: &channel.Bar{Code: channel.CodeToken, Reason: "The token has expired.", At: time.Now().UnixMilli()}}
	})
}

// A share is one of messages that went together: however late failures are told, and however few are sent meanwhile.
func TestLateFailuresAreHeldAgainstTheMessagesTheyWentWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ref := w.plan(people(1000))
		w.lane = func(m chat.Outbound) chat.Status {
			if m.Row > 800 {
				return "" // still in the lanes
			}
			return chat.Sent
		}
		defer w.run()()
		w.after(time.Minute, ref)
		fail := func(row int) {
			value, err := json.Marshal(chat.Fact{
				V: 1, ID: ref.MessageID(row), Account: "acme", Broadcast: "b1", Row: row, Status: chat.Failed, Code: 131026, At: time.Now().UnixMilli(),
			})
			must(t, err)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.append(stream.Record{Topic: stream.Outcomes, Value: value})
		}
		for row := 1; row <= 800; row += 5 {
			fail(row)
		}
		if status, _ := w.after(time.Minute, ref); status != broadcast.Running {
			t.Fatalf("one in five has failed, and it is %s: %+v", status, w.now(ref).Pause)
		}
		for row := 401; row <= 800; row += 2 {
			fail(row)
		}
		if status, _ := w.after(time.Minute, ref); status != broadcast.Paused {
			t.Errorf("half of some have failed, and it is %s", status)
		}
	})
}

func TestTwoRunnersPauseOnceAndNewerEvidencePausesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.speed = time.Second
		w.answered(func(int) (int, bool) { return 132015, true })
		ref := w.plan(people(2000))
		defer w.run()()
		defer w.run()()
		w.after(time.Minute, ref)
		if b := w.now(ref); b.Status != broadcast.Paused || b.Moves != 2 {
			t.Fatalf("%s after %d moves", b.Status, b.Moves)
		}
		w.move(ref, broadcast.Running)
		w.after(time.Minute, ref)
		if b := w.now(ref); b.Status != broadcast.Paused || b.Moves != 4 {
			t.Errorf("the same again: %s after %d moves", b.Status, b.Moves)
		}
	})
}

// Condition is what the store knows of the channel.
func (w *world) Condition(context.Context, string, string) (channel.Condition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.condition, nil
}
