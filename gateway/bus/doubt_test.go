package bus

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/pipeline/stream"
)

// TestASequenceThatMayBeUsedUpIsNotUsedAgain has a broker refuse a batch for good whose first request ended without an answer.
// If that one was kept, the next batch under its sequence would pass for a repeat: acknowledged, and not kept.
func TestASequenceThatMayBeUsedUpIsNotUsedAgain(t *testing.T) {
	b := desk()
	published := make(chan error, 1)
	flight := func() *lane {
		t.Helper()
		go func() { published <- b.Publish(t.Context(), &stream.Record{Topic: stream.Inbound}) }()
		<-b.queue.wake
		lanes := b.load()
		if len(lanes) != 1 {
			t.Fatalf("%d lanes have something to send", len(lanes))
		}
		return lanes[0]
	}
	settle := func(l *lane, how func()) {
		b.queue.mu.Lock()
		defer b.queue.mu.Unlock()
		how()
		l.sending = false
		b.queue.see(l)
	}
	refused := func(l *lane) {
		t.Helper()
		settle(l, func() { l.refuse(&b.queue, kafka.InvalidRecord) })
		if err := <-published; err == nil {
			t.Fatal("what was refused counts as kept")
		}
	}
	refused(flight())
	l := flight()
	if l.flight.sequence != 0 {
		t.Errorf("what was refused at once has used up %d of the sequence", l.flight.sequence)
	}
	settle(l, func() {
		l.flight.read = true
		l.fail(errNoAnswer)
		l.notUntil = time.Time{}
	})
	if lanes := b.load(); len(lanes) != 1 || lanes[0] != l {
		t.Fatal("what got no answer is not sent again")
	}
	refused(l)
	if !l.free(1) {
		t.Error("a lane whose broker answers is taken for one that fails")
	}
	if l = flight(); l.flight.sequence != 1 {
		t.Errorf("the next batch has the sequence %d", l.flight.sequence)
	}
	b.land([]*lane{l}, 0)
	if err := <-published; err != nil {
		t.Error(err)
	}
}

// TestNoLaneGoesBackToASessionThatHasEnded: its sequence would begin anew there.
func TestNoLaneGoesBackToASessionThatHasEnded(t *testing.T) {
	b := desk()
	published := make(chan error, 1)
	go func() { published <- b.Publish(t.Context(), &stream.Record{Topic: stream.Inbound}) }()
	<-b.queue.wake
	b.queue.valid = false // found out by another leader's committer, after this one has looked
	if lanes := b.load(); len(lanes) > 0 {
		t.Fatalf("sent in session %+v", lanes[0].flight.session)
	}
	<-b.queue.wake
	b.queue.session, b.queue.valid = session{id: 8}, true
	lanes := b.load()
	if len(lanes) != 1 || lanes[0].flight.session.id != 8 {
		t.Fatal("not sent in the new session")
	}
	b.land(lanes, 0)
	if err := <-published; err != nil {
		t.Error(err)
	}
}

// TestABrokerThatHangsIsLeftAlone: what may go anywhere gathers for a busy broker, but not for longer than a healthy one takes.
func TestABrokerThatHangsIsLeftAlone(t *testing.T) {
	b := desk()
	one, other := &leader{busy: true, began: time.Now()}, &leader{busy: true, began: time.Now()}
	for p := range 4 {
		b.queue.lane(place{stream.Inbound, p}).leader = []*leader{one, other}[p/2]
	}
	for range 2 {
		if p := b.queue.turn(stream.Inbound, 4, 1); p != 0 {
			t.Errorf("records that come together are parted: partition %d", p)
		}
	}
	one.began = one.began.Add(-2 * sluggish)
	if p := b.queue.turn(stream.Inbound, 4, 1); p != 2 {
		t.Errorf("partition %d, of a broker that hangs", p)
	}
	other.began = one.began
	if p := b.queue.turn(stream.Inbound, 4, 1); p != 2 {
		t.Errorf("partition %d, though none is better", p)
	}
}
