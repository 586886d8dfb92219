package outbound_test

import (
	"fmt"
	"testing"
	"time"

	"optgate/pipeline/outbound"
)

// One person gets 45 messages at once and then one every six seconds; others don't wait for that.
func TestAPairIsSlowedBeforeMetaRefuses(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		start(t, w.lane(outbound.Replies))
		for n := range 60 {
			w.send(outbound.Replies, message(fmt.Sprintf("m%d", n)))
		}
		w.send(outbound.Replies, row("another", 1))
		after(time.Second)
		if n := len(w.order()); n != 46 || len(w.called("another.1")) != 1 {
			t.Errorf("%d messages at once, to somebody else %d", n, len(w.called("another.1")))
		}
		after(12 * time.Second)
		if n := len(w.order()); n != 48 {
			t.Errorf("%d messages after 13 s", n)
		}
		after(10 * time.Minute)
		if n := len(w.order()); n != 61 {
			t.Errorf("%d messages in the end", n)
		}
	})
}
