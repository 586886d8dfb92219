package outbound_test

import (
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/outbound"
)

// Hours that began after a message was handed to the lane hold it there, and nobody else.
func TestAMessageWaitsForTheEndOfQuietHours(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		now := time.Now().UTC()
		minute := now.Hour()*60 + now.Minute()
		quiet := &chat.Quiet{From: (minute + 1439) % 1440, To: (minute + 60) % 1440, Zone: "UTC"}
		late, over := row("b", 1), row("b", 2)
		late.Quiet, over.Quiet = quiet, quiet
		over.Until = now.Add(30 * time.Minute).UnixMilli()
		w.send(outbound.Bulk, late, over, row("b", 3))
		start(t, w.lane(outbound.Bulk))
		after(59 * time.Minute)
		if order := w.order(); len(order) != 1 || order[0] != "b.3" {
			t.Errorf("called %v in quiet hours", order)
		}
		w.wantFact("b.2", chat.Expired, "")
		after(2 * time.Minute)
		w.wantFact("b.1", chat.Sent, "")
	})
}
