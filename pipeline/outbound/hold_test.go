package outbound_test

import (
	"testing"
	"time"

	"optgate/pipeline/outbound"
)

func TestBulkIsHeldWhileStopsMayLieUnread(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	lost := func(n int) func(h *outbound.Hold) {
		return func(h *outbound.Hold) {
			for range n {
				h.Lost(start)
			}
		}
	}
	for _, c := range []struct {
		name   string
		oldest time.Time
		items  int64 // that came within the minute
		before func(h *outbound.Hold)
		after  time.Duration // of the last answer
		held   bool
	}{
		{"all is handled", time.Time{}, 0, nil, 0, false},
		{"an item waits for 30 s", start.Add(-30 * time.Second), 0, nil, 0, false},
		{"an item waits for longer", start.Add(-30*time.Second - time.Millisecond), 0, nil, 0, true},
		{"an item's clock is ahead", start.Add(time.Hour), 0, nil, 0, false},
		{"Kafka is silent", time.Time{}, 0, nil, 11 * time.Second, true},
		{"twenty dead letters", time.Time{}, 0, lost(20), 0, false},
		{"twenty-one dead letters", time.Time{}, 0, lost(21), 0, true},
		{"twenty-one among very many", time.Time{}, 2101, lost(21), 0, false},
		{"twenty-one among many", time.Time{}, 2099, lost(21), 0, true},
	} {
		var h outbound.Hold
		if !h.Holds(start) {
			t.Errorf("%s: nothing is held before Kafka was ever asked", c.name)
		}
		h.Asked(start.Add(-time.Second), time.Time{}, 100)
		if c.before != nil {
			c.before(&h)
		}
		h.Asked(start, c.oldest, 100+c.items)
		if held := h.Holds(start.Add(c.after)); held != c.held {
			t.Errorf("%s: held %v", c.name, held)
		}
	}
	var h outbound.Hold
	lost(50)(&h)
	h.Asked(start.Add(61*time.Second), time.Time{}, 0)
	if h.Holds(start.Add(61 * time.Second)) {
		t.Error("dead letters are held against us for more than a minute")
	}
}
