package outbound_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/outbound"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

func TestAMessageIsIntendedCalledToldAndDone(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		stop := start(t, w.lane(outbound.Replies))
		w.send(outbound.Replies, message("m1"))
		after(time.Second)
		w.wantFact("m1", chat.Sent, "")
		if f := w.facts()["m1"][0]; f.MessageID != "wamid.m1" || f.Account != account || f.At == 0 || f.V != 1 {
			t.Errorf("fact %+v", f)
		}
		if got := w.marks(outbound.Replies, "m1"); !slices.Equal(got, []string{"intent", "done"}) {
			t.Errorf("marks %v", got)
		}
		if n := w.counted("replies sent"); n != 1 {
			t.Errorf("counted %d sent", n)
		}
		if err := stop(); err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
}

func TestARepeatedIDIsSentOnce(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		stop := start(t, w.lane(outbound.Bulk))
		w.send(outbound.Bulk, row("b", 1), row("b", 1), message2("b", "odd"))
		after(time.Second)
		w.send(outbound.Bulk, row("b", 1), message2("b", "odd"))
		after(time.Second)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		start(t, w.lane(outbound.Bulk)) // another owner, from the marks alone
		w.send(outbound.Bulk, row("b", 1), message2("b", "odd"), row("b", 2))
		after(time.Second)
		for _, id := range []string{"b.1", "b.2", "odd"} {
			if n := len(w.called(id)); n != 1 {
				t.Errorf("%s called %d times", id, n)
			}
			w.wantFact(id, chat.Sent, "")
		}
		if n := w.counted("bulk repeat"); n != 5 {
			t.Errorf("counted %d repeats", n)
		}
	})
}

// message2 is of a broadcast, but its id is not derived from its row.
func message2(broadcast, id string) chat.Outbound {
	m := row(broadcast, 5)
	m.ID = id
	return m
}

func TestTheSameIDInTwoAccountsIsTwoMessages(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		l := w.lane(outbound.Bulk)
		l.Directory = chat.NewDirectory([]string{account, "b"}, []chat.Channel{
			{Account: account, ID: channel}, {Account: "b", ID: channel},
		})
		start(t, l)
		other := row("x", 1)
		other.Account = "b"
		w.send(outbound.Bulk, row("x", 1), other)
		after(time.Second)
		if n := len(w.called("x.1")); n != 2 {
			t.Errorf("called %d times", n)
		}
	})
}

func TestAConfirmationLeavesNotBeforeItsTime(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		start(t, w.lane(outbound.Replies))
		m := message("c/1")
		m.Kind, m.Category = chat.KindConfirmation, chat.Service
		m.NotBefore = time.Now().Add(2 * time.Second).UnixMilli()
		w.gate = func(q gate.Question) gate.Answer {
			if len(q.Lists) != 1 || q.Lists[0] != gate.Blacklist {
				t.Errorf("a confirmation is asked about lists %v", q.Lists)
			}
			return yes()
		}
		w.send(outbound.Replies, m)
		after(2*time.Second - time.Millisecond)
		if len(w.called("c/1")) > 0 {
			t.Error("called too early")
		}
		after(50 * time.Millisecond)
		w.wantFact("c/1", chat.Sent, "")
	})
}

func TestWhoOptsOutWhileAMessageWaitsGetsNothing(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		began := time.Now()
		w.reserve = func(_ string, n int, _ time.Duration) (ratelimit.Reservation, error) {
			return ratelimit.Reservation{Slots: n, Wait: max(0, 3*time.Second-time.Since(began)), Interval: time.Second}, nil
		}
		w.gate = func(gate.Question) gate.Answer {
			if time.Since(began) < 2*time.Second {
				return yes()
			}
			return gate.Answer{Verdict: gate.Skip, List: "default", Channel: "*"}
		}
		start(t, w.lane(outbound.Bulk))
		w.send(outbound.Bulk, row("b", 1))
		after(10 * time.Second)
		if n := len(w.called("b.1")); n != 0 {
			t.Errorf("called %d times", n)
		}
		w.wantFact("b.1", chat.Skipped, gate.SkipReason)
		if f := w.facts()["b.1"][0]; f.List != "default" || f.Reason != "On the list Our list for all channels since 1970-01-01 00:00:00 UTC, by an import." {
			t.Errorf("fact %+v", f)
		}
		if n := w.counted("gate skip"); n != 1 {
			t.Errorf("counted %d skips", n)
		}
	})
}

func TestASkippedMessageLeavesItsPlaceToTheNext(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		places := 0
		w.reserve = func(_ string, n int, _ time.Duration) (ratelimit.Reservation, error) {
			places += n
			return ratelimit.Reservation{Slots: n}, nil
		}
		w.gate = func(q gate.Question) gate.Answer {
			if q.Pseudonym == 1001 {
				return gate.Answer{Verdict: gate.Skip, List: "default", Channel: channel}
			}
			return yes()
		}
		w.send(outbound.Bulk, row("b", 1))
		start(t, w.lane(outbound.Bulk))
		after(100 * time.Millisecond)
		w.send(outbound.Bulk, row("b", 2))
		after(100 * time.Millisecond)
		w.wantFact("b.1", chat.Skipped, gate.SkipReason)
		w.wantFact("b.2", chat.Sent, "")
		if places != 1 {
			t.Errorf("%d places taken", places)
		}
	})
}

func TestNothingLeavesWhileTheGateIsUnknownAndTheLaneSaysSoInTheEnd(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.gate = func(gate.Question) gate.Answer { return gate.Answer{} }
		m := message("m1")
		m.Until = time.Now().Add(10 * time.Minute).UnixMilli()
		w.send(outbound.Replies, m)
		start(t, w.lane(outbound.Replies))
		after(10*time.Minute - time.Second)
		if len(w.facts()) > 0 || len(w.order()) > 0 {
			t.Errorf("facts %v, calls %v", w.facts(), w.order())
		}
		if n := w.counted("gate unknown"); n > 1000 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		after(2 * time.Second)
		w.wantFact("m1", chat.Expired, "")
	})
}

func TestOneUncertainPersonHoldsNobodyElseUp(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.reserve = func(string, int, time.Duration) (ratelimit.Reservation, error) {
			return ratelimit.Reservation{Slots: 1, Interval: time.Second}, nil
		}
		w.gate = func(q gate.Question) gate.Answer {
			if q.Pseudonym == 1001 {
				return gate.Answer{}
			}
			return yes()
		}
		for n := range 10 {
			w.send(outbound.Bulk, row("b", n+1))
		}
		start(t, w.lane(outbound.Bulk))
		after(time.Minute)
		if n := len(w.facts()); n != 9 {
			t.Errorf("%d of nine sent", n)
		}
	})
}

func TestBulkWaitsWhileStopsLieUnread(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		began := time.Now()
		w.hold = func() bool { return time.Since(began) < time.Minute }
		short := row("b", 2)
		short.Until = time.Now().Add(30 * time.Second).UnixMilli()
		w.send(outbound.Bulk, row("b", 1), short)
		start(t, w.lane(outbound.Bulk))
		after(59 * time.Second)
		w.wantFact("b.2", chat.Expired, "")
		if len(w.order()) > 0 {
			t.Error("called while held")
		}
		after(2 * time.Second)
		w.wantFact("b.1", chat.Sent, "")
	})
}

func TestRepliesDontWaitForUnreadStops(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.hold = func() bool { return true }
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(time.Second)
		w.wantFact("m1", chat.Sent, "")
	})
}

func TestAMessageOfAnUndeclaredChannelIsHeldThenExpires(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		m := message("m1")
		m.Channel, m.Until = "gone", time.Now().Add(time.Hour).UnixMilli()
		w.send(outbound.Replies, m)
		start(t, w.lane(outbound.Replies))
		after(59 * time.Minute)
		if len(w.facts()) > 0 {
			t.Errorf("facts %v", w.facts())
		}
		after(2 * time.Minute)
		w.wantFact("m1", chat.Expired, outbound.Undeclared)
	})
}

func TestPlacesInTheNumbersLineAreKept(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		line := time.Now()
		w.reserve = func(_ string, n int, ahead time.Duration) (ratelimit.Reservation, error) {
			now := time.Now()
			if line.Before(now) {
				line = now
			}
			wait, interval := line.Sub(now), 10*time.Millisecond
			if wait > ahead {
				return ratelimit.Reservation{Wait: wait - ahead}, nil
			}
			n = min(n, int((ahead-wait)/interval)+1)
			line = line.Add(time.Duration(n) * interval)
			return ratelimit.Reservation{Slots: n, Wait: wait, Interval: interval}, nil
		}
		for n := range 500 {
			w.send(outbound.Bulk, row("b", n+1))
		}
		began := time.Now()
		start(t, w.lane(outbound.Bulk))
		after(10 * time.Second)
		if len(w.calls) != 500 {
			t.Fatalf("%d calls", len(w.calls))
		}
		for n, c := range w.calls {
			if early := time.Duration(n) * 10 * time.Millisecond; c.at.Sub(began) < early {
				t.Fatalf("call %d after %v", n, c.at.Sub(began))
			}
		}
		if took := w.calls[499].at.Sub(began); took > 5500*time.Millisecond {
			t.Errorf("500 at 100 a second took %v", took)
		}
	})
}

func TestALineThatCantBeAskedMeansWaiting(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		began := time.Now()
		w.reserve = func(_ string, n int, _ time.Duration) (ratelimit.Reservation, error) {
			if time.Since(began) < time.Minute {
				return ratelimit.Reservation{}, errAway
			}
			return ratelimit.Reservation{Slots: n}, nil
		}
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(59 * time.Second)
		if len(w.order()) > 0 {
			t.Error("called without a place")
		}
		after(2 * time.Second)
		w.wantFact("m1", chat.Sent, "")
	})
}

// A line that nobody answers for must not keep what is known already from being told: a crash would make it Unknown.
func TestALineThatKeepsSilentHoldsNoFactUp(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		asked := 0
		w.reserve = func(string, int, time.Duration) (ratelimit.Reservation, error) {
			if asked++; asked > 1 {
				return ratelimit.Reservation{}, errSilent
			}
			return ratelimit.Reservation{Slots: 1}, nil
		}
		w.meta = func(context.Context, chat.Outbound) (string, error) {
			<-time.After(time.Second)
			return "wamid.x", nil
		}
		w.send(outbound.Replies, message("m1"), message("m2"))
		start(t, w.lane(outbound.Replies))
		after(4 * time.Second)
		w.wantFact("m1", chat.Sent, "")
	})
}

func TestChannelsAndBroadcastsTakeTurns(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.limit = 1
		w.meta = func(context.Context, chat.Outbound) (string, error) {
			<-time.After(10 * time.Millisecond)
			return "", nil
		}
		for n := range 200 {
			w.send(outbound.Bulk, row("big", n+1))
		}
		for n := range 10 {
			small := row("small", n+1)
			elsewhere := row("elsewhere", n+1)
			elsewhere.Channel = "other"
			w.send(outbound.Bulk, small, elsewhere)
		}
		start(t, w.lane(outbound.Bulk))
		after(time.Minute)
		last := map[string]int{}
		for n, id := range w.order() {
			last[id[:3]] = n
		}
		if last["els"] > 25 || last["sma"] > 50 || last["big"] != 219 {
			t.Errorf("the last of each came at %v", last)
		}
	})
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.limit = 5
		w.meta = func(context.Context, chat.Outbound) (string, error) {
			<-time.After(time.Second)
			return "", nil
		}
		for n := range 20 {
			w.send(outbound.Bulk, row("b", n+1))
		}
		start(t, w.lane(outbound.Bulk))
		after(10 * time.Second)
		if w.most != 5 || len(w.facts()) != 20 {
			t.Errorf("%d at once, %d facts", w.most, len(w.facts()))
		}
	})
}

func TestALaneReadsAheadTenThousandAtMost(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		var released atomic.Bool
		w.hold = func() bool { return !released.Load() }
		for n := range 25_000 {
			w.send(outbound.Bulk, row("b", n+1))
		}
		l := w.lane(outbound.Bulk)
		var f *follower
		l.Follow = func(from int64) shard.Follower {
			f = w.follow(outbound.Bulk, from)
			return f
		}
		start(t, l)
		after(time.Minute)
		if read := f.next.Load(); read > 12_000 { // ten thousand in the lane, one round in the reader's hand
			t.Errorf("read up to %d", read)
		}
		released.Store(true)
		after(time.Minute)
		if n := len(w.facts()); n != 25_000 {
			t.Errorf("%d sent in the end", n)
		}
	})
}

func TestWhatIsNoMessageGoesToDeadAndHoldsNobodyUp(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		ofNoShard := `{"v":1,"id":"x","account":"acme","channel":"wa","pseudonym":-5}`
		for _, value := range []string{`{`, ``, `{"v":1}`, `{"id":"x","account":"acme","channel":"wa"}`, `[1]`, ofNoShard} {
			w.add(&stream.Record{Topic: stream.OutboundReplies, Value: []byte(value)})
		}
		w.send(outbound.Replies, message("m1"))
		stop := start(t, w.lane(outbound.Replies))
		after(time.Second)
		w.wantFact("m1", chat.Sent, "")
		dead := w.logs[place{stream.Dead, stream.AnyPartition}]
		if len(dead) != 6 || string(dead[0].Value) != "{" || dead[0].Header("source") != "outbound.replies" || dead[0].Header("reason") != "no_message" || w.counted("dead no_message") != 6 {
			t.Errorf("dead: %v", dead)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		start(t, w.lane(outbound.Replies))
		after(time.Second)
		if n := len(w.logs[place{stream.Dead, stream.AnyPartition}]); n != 6 {
			t.Errorf("after a restart %d are dead", n)
		}
	})
}

func TestAMessageOfANewerVersionStopsTheLane(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		m := message("m1")
		m.V = 2
		w.send(outbound.Replies, m)
		if err := w.lane(outbound.Replies).Run(t.Context()); !errors.Is(err, stream.ErrVersion) {
			t.Errorf("got %v", err)
		}
	})
}

func TestFactsAreToldBeforeAnythingIsDone(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.away = true
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(time.Minute)
		if got := w.marks(outbound.Replies, "m1"); !slices.Equal(got, []string{"intent"}) {
			t.Errorf("marks %v", got)
		}
		w.mu.Lock()
		w.away = false
		w.mu.Unlock()
		after(10 * time.Second)
		w.wantFact("m1", chat.Sent, "")
		if got := w.marks(outbound.Replies, "m1"); !slices.Equal(got, []string{"intent", "done"}) {
			t.Errorf("marks %v", got)
		}
	})
}

func TestStoppingSettlesWhatIsUnderWay(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.meta = func(_ context.Context, m chat.Outbound) (string, error) {
			<-time.After(5 * time.Second)
			return "wamid", nil
		}
		w.limit = 2
		w.send(outbound.Bulk, row("b", 1), row("b", 2), row("b", 3))
		stop := start(t, w.lane(outbound.Bulk))
		after(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		w.wantFact("b.1", chat.Sent, "")
		w.wantFact("b.2", chat.Sent, "")
		if n := len(w.called("b.3")); n != 0 {
			t.Error("a call began after the stop")
		}
		start(t, w.lane(outbound.Bulk))
		after(10 * time.Second)
		w.wantFact("b.3", chat.Sent, "")
	})
}

func TestACallThatNeverEndsIsUnknownWhenTheLaneStops(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.meta = func(ctx context.Context, _ chat.Outbound) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		w.send(outbound.Replies, message("m1"))
		stop := start(t, w.lane(outbound.Replies))
		after(time.Second)
		began := time.Now()
		if err := stop(); err != nil || time.Since(began) > 20*time.Second {
			t.Errorf("stopped after %v: %v", time.Since(began), err)
		}
		w.wantFact("m1", chat.Unknown, outbound.NoAnswer)
	})
}

func TestOneMessageThatStaysOpenKeepsTheCursorOnly(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		waits := row("a", 1)
		waits.NotBefore = time.Now().Add(time.Hour).UnixMilli()
		w.send(outbound.Bulk, waits)
		for n := range 21_000 {
			w.send(outbound.Bulk, row("b", n+1))
		}
		stop := start(t, w.lane(outbound.Bulk))
		after(10 * time.Minute)
		if n := len(w.facts()); n != 21_000 {
			t.Fatalf("%d sent", n)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		start(t, w.lane(outbound.Bulk))
		after(time.Hour)
		w.wantFact("a.1", chat.Sent, "")
		if n := len(w.calls); n != 21_001 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestMessagesGoneBeforeTheyWereReadDontStopALane(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.first[place{stream.OutboundReplies, 0}] = 100
		w.add(&stream.Record{Topic: stream.IntentsReplies, Key: []byte("cursor"), Value: []byte(`{"v":1,"kind":"cursor","offset":50}`)})
		w.send(outbound.Replies, message("m1"))
		start(t, w.lane(outbound.Replies))
		after(time.Second)
		w.wantFact("m1", chat.Sent, "")
	})
}

func TestALogShorterThanTheCursorStopsTheLane(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.add(&stream.Record{Topic: stream.IntentsReplies, Key: []byte("cursor"), Value: []byte(`{"v":1,"kind":"cursor","offset":50}`)})
		w.send(outbound.Replies, message("m1"))
		if err := w.lane(outbound.Replies).Run(t.Context()); !errors.Is(err, stream.ErrTruncated) {
			t.Errorf("got %v", err)
		}
		if len(w.order()) > 0 {
			t.Errorf("called %v", w.order())
		}
	})
}
