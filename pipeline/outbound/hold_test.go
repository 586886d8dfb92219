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
		why    string
	}{
		{"all is handled", time.Time{}, 0, nil, 0, ""},
		{"an item waits for 30 s", start.Add(-30 * time.Second), 0, nil, 0, ""},
		{"an item waits for longer", start.Add(-30*time.Second - time.Millisecond), 0, nil, 0, outbound.HeldUnread},
		{"an item's clock is ahead", start.Add(time.Hour), 0, nil, 0, ""},
		{"Kafka is silent", time.Time{}, 0, nil, 11 * time.Second, outbound.HeldSilent},
		{"twenty dead letters", time.Time{}, 0, lost(20), 0, ""},
		{"twenty-one dead letters", time.Time{}, 0, lost(21), 0, outbound.HeldDead},
		{"twenty-one among very many", time.Time{}, 2101, lost(21), 0, ""},
		{"twenty-one among many", time.Time{}, 2099, lost(21), 0, outbound.HeldDead},
	} {
		var h outbound.Hold
		if h.Why(start) != outbound.HeldSilent {
			t.Errorf("%s: nothing is held before Kafka was ever asked", c.name)
		}
		h.Asked(start.Add(-time.Second), time.Time{}, 100)
		if c.before != nil {
			c.before(&h)
		}
		h.Asked(start, c.oldest, 100+c.items)
		if why := h.Why(start.Add(c.after)); why != c.why {
			t.Errorf("%s: held because of %q", c.name, why)
		}
	}
	var h outbound.Hold
	lost(50)(&h)
	h.Asked(start.Add(61*time.Second), time.Time{}, 0)
	if h.Why(start.Add(61*time.Second)) != "" {
		t.Error("dead letters are held against us for more than a minute")
	}
}
