package app_test

import (
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
	"optgate/pipeline/gate"
)

// TestFleetGoesOnWithoutOneOfItsGateways runs two gateways on the same servers. One of them is paused for longer than its
// group waits while people opt out, wakes up and believes that it still owns what the other has taken over; then it is killed.
func TestFleetGoesOnWithoutOneOfItsGateways(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		if len(on.kafka) == 0 {
			on.kafka = []string{beside(t).Kafka}
		}
		if len(on.redis) == 0 {
			on.redis = []string{beside(t).Redis}
		}
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(fake.Send) fake.Outcome { return fake.Outcome{Hang: 100 * time.Millisecond} }
		})
		w.rate(50)
		w.spawn()
		twin := w.twin()
		other := twin.spawn()
		all := people(7000, 400)
		early, late, last := all[:20], all[360:380], all[380:]
		for _, p := range early {
			w.says(p, "STOP")
		}
		w.barred(early...)
		id := w.broadcast(all, nil)
		eventually(t, "the broadcast runs", func() bool { return len(offers(w.meta.Sends())) > 20 })

		other.signal(syscall.SIGSTOP)
		for _, p := range late {
			w.says(p, "STOP")
		}
		w.barred(late...) // somebody else owns all shards by now
		other.signal(syscall.SIGCONT)
		for _, p := range last {
			w.says(p, "STOP")
		}
		w.barred(last...)
		// The embedded Kafka never forgets a member that dies while it joins, so it must have joined again.
		eventually(t, "it owns something again", func() bool { return twin.owns() > 0 })
		quiet(t, time.Second)
		other.kill()

		now := w.finished("acme", id)
		out := slices.Concat(early, late, last)
		w.barred(out...)
		w.settled()
		unknown := w.unknownMessages()
		lost := 0
		for _, p := range out {
			n := len(w.confirmations(p))
			if n == 0 && unknown[p.Phone] {
				lost++
			} else if n != 1 {
				t.Errorf("%d confirmations", n)
			}
		}
		if now.Totals.Audience != len(all) || now.Totals.Skipped < len(early) || lost+now.Totals.Unknown > 2*callsAtOnce {
			t.Errorf("totals %+v, and %d confirmations Unknown", now.Totals, lost)
		}
		calls := offers(w.meta.Sends())
		for _, p := range early {
			if len(calls[p.Phone]) > 0 {
				t.Error("who opted out before the broadcast was called")
			}
		}
		for phone, decided := range w.decisions() {
			for _, call := range calls[phone] {
				if after := call.At.Sub(decided); after >= 2*gate.Good {
					t.Errorf("a call began %v after the opt-out was decided", after)
				}
			}
		}
		calledOnce(t, w.meta.Sends())
		bulkEndsWithConfirmation(t, w.meta.Sends())
		w.ledgerChanges(t)
		t.Logf("%+v, and %d confirmations Unknown", now.Totals, lost)
	})
}

// twin is another gateway of the same installation, with listeners of its own.
func (w *world) twin() *world {
	w.t.Helper()
	other := *w
	other.public, other.private = freeAddress(w.t), freeAddress(w.t)
	other.settings = maps.Clone(w.settings)
	other.settings["public"] = map[string]any{"listen": other.public}
	other.settings["private"] = map[string]any{"listen": other.private}
	other.settings["data_dir"] = filepath.Join(w.t.TempDir(), "data")
	return &other
}

// owns gives how many shards the gateway says it owns.
func (w *world) owns() (shards int) {
	_, metrics, _ := fetch(http.MethodGet, "http://"+w.private+"/metrics", "", nil)
	for line := range strings.Lines(string(metrics)) {
		if n, ok := strings.CutPrefix(line, "optgate_shards "); ok {
			shards, _ = strconv.Atoi(strings.TrimSpace(n))
		}
	}
	return shards
}

// signal sends a signal to the gateway's process.
func (c *child) signal(s syscall.Signal) {
	c.process.Process.Signal(s)
}
