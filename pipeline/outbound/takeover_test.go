package outbound_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/outbound"
	"optgate/pipeline/stream"
)

// kill ends a process as kill -9 does: nothing of it reaches Kafka any more, and what Meta answers is lost.
func (w *world) kill(l *outbound.Lane) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.Intents.(*owned).dead = true
	l.Publisher.(*mortal).dead = true
}

// mortal is a publisher that dies with its process.
type mortal struct {
	*world
	dead bool
}

func (m *mortal) Publish(ctx context.Context, records ...*stream.Record) error {
	m.mu.Lock()
	dead := m.dead
	m.mu.Unlock()
	if dead {
		return errAway
	}
	return m.world.Publish(ctx, records...)
}

func (w *world) mortalLane(kind outbound.Kind) *outbound.Lane {
	l := w.lane(kind)
	l.Publisher = &mortal{world: w}
	return l
}

func TestACrashBetweenIntentAndAnswerIsUnknown(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.meta = func(context.Context, chat.Outbound) (string, error) {
			<-time.After(10 * time.Second)
			return "wamid", nil
		}
		w.limit = 2
		w.send(outbound.Bulk, row("b", 1), row("b", 2), row("b", 3))
		first := w.mortalLane(outbound.Bulk)
		start(t, first)
		after(time.Second)
		w.kill(first)
		start(t, w.lane(outbound.Bulk))
		after(time.Minute)
		w.wantFact("b.1", chat.Unknown, outbound.Interrupted)
		w.wantFact("b.2", chat.Unknown, outbound.Interrupted)
		w.wantFact("b.3", chat.Sent, "")
		for _, id := range []string{"b.1", "b.2", "b.3"} {
			if n := len(w.called(id)); n != 1 {
				t.Errorf("%s called %d times", id, n)
			}
		}
		w.send(outbound.Bulk, row("b", 1)) // and a repeat changes nothing
		after(time.Minute)
		w.wantFact("b.1", chat.Unknown, outbound.Interrupted)
	})
}

func TestADeposedLaneCallsNothingMore(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		old := start(t, w.lane(outbound.Bulk))
		w.send(outbound.Bulk, row("b", 1))
		after(time.Second)
		start(t, w.lane(outbound.Bulk))
		after(time.Second)
		for n := range 100 {
			w.send(outbound.Bulk, row("b", n+2))
		}
		after(10 * time.Second)
		if err := old(); !errors.Is(err, stream.ErrDeposed) {
			t.Errorf("the old one ended with %v", err)
		}
		for n := range 101 {
			id := row("b", n+1).ID
			if calls := len(w.called(id)); calls != 1 {
				t.Errorf("%s called %d times", id, calls)
			}
			w.wantFact(id, chat.Sent, "")
		}
	})
}

func TestADeposedLaneStillTellsWhatItsCallsSaid(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.meta = func(context.Context, chat.Outbound) (string, error) {
			<-time.After(5 * time.Second)
			return "wamid", nil
		}
		w.send(outbound.Bulk, row("b", 1))
		old := start(t, w.lane(outbound.Bulk))
		after(time.Second)
		start(t, w.lane(outbound.Bulk))
		after(time.Second)
		w.send(outbound.Bulk, row("b", 2))
		after(time.Minute)
		if err := old(); !errors.Is(err, stream.ErrDeposed) {
			t.Errorf("the old one ended with %v", err)
		}
		facts := w.facts()["b.1"]
		if len(facts) != 2 || facts[0].Status != chat.Unknown || facts[1].Status != chat.Sent {
			t.Errorf("facts %+v", facts)
		}
		if n := len(w.called("b.1")); n != 1 {
			t.Errorf("called %d times", n)
		}
	})
}

func TestClaimsAreRepeated(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.holds = func(context.Context) error { w.count("asked"); return nil }
		start(t, w.lane(outbound.Replies))
		after(59 * time.Minute)
		w.send(outbound.Replies, message("m1"))
		after(time.Minute)
		if n := w.counted("claim"); n != 1 {
			t.Errorf("%d claims after a pause of less than an hour", n)
		}
		after(2 * time.Hour)
		w.send(outbound.Replies, message("m2"))
		after(time.Minute)
		if n := w.counted("claim"); n != 2 {
			t.Errorf("%d claims after two hours of quiet", n)
		}
		after(7 * time.Hour)
		if n, asked := w.counted("claim"), w.counted("asked"); n != 3 || asked != 3 {
			t.Errorf("%d claims after six hours, asked %d times whether it may", n, asked)
		}
		w.wantFact("m1", chat.Sent, "")
		w.wantFact("m2", chat.Sent, "")
	})
}

func TestALaneThatWasForgottenByItsGroupDoesNotClaimAgain(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		gone := errors.New("another process is assigned")
		var elsewhere atomic.Bool
		w.holds = func(context.Context) error {
			if elsewhere.Load() {
				return gone
			}
			return nil
		}
		stop := start(t, w.lane(outbound.Replies))
		after(time.Minute)
		elsewhere.Store(true)
		after(2 * time.Hour)
		w.send(outbound.Replies, message("m1"))
		after(time.Minute)
		if err := stop(); !errors.Is(err, gone) {
			t.Errorf("ended with %v", err)
		}
		if n := w.counted("claim"); n != 1 || len(w.order()) > 0 {
			t.Errorf("%d claims, calls %v", n, w.order())
		}
	})
}

// Brokers forget a quiet producer, and then would take an old owner's appends again: it finds out by their offset.
func TestAnAppendThatDoesNotFollowTheLastIsADeposition(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		l := w.lane(outbound.Replies)
		stop := start(t, l)
		after(time.Second)
		w.add(&stream.Record{Topic: stream.IntentsReplies, Key: []byte("claim"), Value: []byte(`{"v":1,"kind":"claim"}`)})
		w.send(outbound.Replies, message("m1"))
		after(time.Second)
		if err := stop(); !errors.Is(err, stream.ErrDeposed) {
			t.Errorf("ended with %v", err)
		}
		if len(w.order()) > 0 {
			t.Errorf("called %v", w.order())
		}
	})
}

func TestIDsAreRememberedForEightDays(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		start(t, w.lane(outbound.Bulk))
		w.send(outbound.Bulk, row("b", 1))
		for range 8 {
			after(24*time.Hour - time.Minute)
			w.send(outbound.Bulk, row("b", 1))
			keep := row("c", int(time.Now().Unix()%1000))
			w.send(outbound.Bulk, keep)
		}
		after(time.Minute)
		if n := len(w.called("b.1")); n != 1 {
			t.Errorf("called %d times", n)
		}
	})
}
