package broadcast_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// files is a library of one file.
type files struct {
	gone  atomic.Bool
	asked atomic.Int32
}

func (s *files) Resolve(_ context.Context, _, _, id string) (string, error) {
	s.asked.Add(1)
	if id != "f1" || s.gone.Load() {
		return "", fault.New(fault.NotFound, "media_not_found", broadcast.MediaNotFound)
	}
	return "meta1", nil
}

// TestAFileThatIsDeletedWhileABroadcastRunsIsSoonMissed deletes a file on the way: what is handed over later says so, and Meta is
// not asked to send what it no longer has.
func TestAFileThatIsDeletedWhileABroadcastRunsIsSoonMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, library := newWorld(t), &files{}
		w.media = library
		w.every = time.Second
		body := strings.Replace(people(600), text, `{"type":"image","image":{"library":"f1","caption":"Hi {{name}}"}}`, 1)
		ref := w.planned(body, func(p *broadcast.Plan) { p.Rate = 2 })
		defer w.run()()
		_, totals := w.after(150*time.Second, ref)
		before := totals["Sent "]
		if before < 250 || before > 350 {
			t.Fatal(totals)
		}
		if n := library.asked.Load(); n > 40 {
			t.Errorf("asked %d times", n)
		}
		library.gone.Store(true)
		status, totals := w.after(10*time.Minute, ref)
		if missed := totals["Failed "+broadcast.MediaNotFound]; status != broadcast.Finished || missed < 600-before-60 || missed+totals["Sent "] != 600 {
			t.Error(status, totals)
		}
		for _, m := range w.messages {
			if m.Kind != chat.KindBroadcast || !strings.Contains(string(m.Message), `"id":"meta1"`) {
				t.Fatalf("%s", m.Message)
			}
		}
	})
}

// refusing is a library whose files nobody can have.
type refusing struct{ err error }

func (r refusing) Resolve(context.Context, string, string, string) (string, error) { return "", r.err }

func TestARowSaysWhyItsFileIsNotShown(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		_, wrong := broadcast.Shown(t.Context(), refusing{err}, chat.Outbound{Message: []byte(`{"type":"image","image":{"library":"f1"}}`)})
		if got := broadcast.MediaError(wrong); got != want || wrong == nil {
			t.Errorf("%v: %q, not %q", wrong, got, want)
		}
	}
	f(fault.New(fault.NotFound, "media_not_found", "gone"), broadcast.MediaNotFound)
	f(fault.New(fault.Unprocessable, "media_refused", "131053"), broadcast.MediaRefused)
	f(fault.New(fault.Unavailable, "graph_away", "later"), "")
	f(context.DeadlineExceeded, "")
}
