package inbound_test

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestAnItemIsMeasuredFromItsReceiptOnOnceAllIsKept(t *testing.T) {
	d := newDesk(t)
	d.now = received.Add(1500 * time.Millisecond)
	batch := append(d.records(d.body("text_stop")), d.records(d.body("bsuid_and_phone"))...)
	d.refuse = errors.New("Kafka is away")
	if err := d.h.Handle(t.Context(), batch); err == nil || len(d.ages) != 0 {
		t.Errorf("%v, measured %v before anything was kept", err, d.ages)
	}
	d.refuse = nil
	d.handle(batch...)
	if !slices.Equal(d.ages, []time.Duration{1500 * time.Millisecond, 1500 * time.Millisecond}) || d.mourned != 0 {
		t.Errorf("measured %v, %d dead messages", d.ages, d.mourned)
	}
}

func TestDeadLettersThatMayHoldAMessageAreCounted(t *testing.T) {
	d := newDesk(t)
	d.handle(d.record([]byte("noise")), torn(d, "Stop!"), torn(d, "Hello"))
	if len(d.dead) != 3 || d.mourned != 2 {
		t.Errorf("%d dead, %d of them messages", len(d.dead), d.mourned)
	}
}
