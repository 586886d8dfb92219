package outbound_test

import (
	"context"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/outbound"
)

func TestALaneTellsItsCallsAndHowMuchItHolds(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.meta = func(context.Context, chat.Outbound) (string, error) {
			<-time.After(time.Second)
			return "id", nil
		}
		stop := start(t, w.lane(outbound.Bulk))
		w.send(outbound.Bulk, row("b", 1), row("b", 2))
		after(500 * time.Millisecond)
		if n := w.counted("open bulk"); n != 2 {
			t.Errorf("%d open while they are called", n)
		}
		after(time.Minute)
		if n := w.counted("open bulk"); n != 0 || w.counted("called bulk") != 2 {
			t.Errorf("%d open at last, %d calls", n, w.counted("called bulk"))
		}
		later := row("b", 3)
		later.NotBefore = time.Now().Add(time.Hour).UnixMilli()
		w.send(outbound.Bulk, later)
		after(time.Second)
		if n := w.counted("open bulk"); n != 1 {
			t.Errorf("%d open while one waits", n)
		}
		if err := stop(); err != nil || w.counted("open bulk") != 0 {
			t.Errorf("%v, %d open in a lane that is gone", err, w.counted("open bulk"))
		}
	})
}
