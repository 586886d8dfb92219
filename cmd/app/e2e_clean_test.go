package app_test

import (
	"context"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/cmd/app"
	"optgate/gateway/meta/fake"
)

// TestAStoppedGatewayLeavesNothing starts and stops ten gateways on the same data, and looks for what is left of them.
func TestAStoppedGatewayLeavesNothing(t *testing.T) {
	w := newWorld(t, servers{}, nil)
	round := func(n int) {
		w.start()
		w.says(person(6000+n), "STOP")
		w.barred(person(6000 + n))
		w.stop()
	}
	round(0) // what the first one makes once for all stays
	client.CloseIdleConnections()
	before := 0
	eventually(t, "the goroutines of the tests themselves are at rest", func() bool {
		last := before
		before = strings.Count(goroutines(), "\n\n")
		return last == before
	})
	for n := range 9 {
		round(1 + n)
	}
	for _, address := range []string{w.public, w.private} {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Errorf("somebody still listens on %s", address)
		}
	}
	client.CloseIdleConnections()
	var left string
	deadline := time.Now().Add(5 * time.Second)
	for ticker := time.NewTicker(50 * time.Millisecond); ; <-ticker.C {
		if left = goroutines(); strings.Count(left, "\n\n") <= before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines were there, these are left:\n%s", before, left)
		}
	}
	w.start()
	for n := range 10 {
		w.barred(person(6000 + n))
	}
}

// goroutines gives the stacks of all that run, with a blank line after each, but for those of a server that has ended which
// sleep for up to ten seconds before they look whether they are still wanted.
func goroutines() (stacks string) {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	for stack := range strings.SplitSeq(strings.TrimSpace(string(all)), "\n\n") {
		if !strings.Contains(stack, "fasthttp.(*workerPool).Start") {
			stacks += stack + "\n\n"
		}
	}
	return stacks
}

// TestStopUnderLoadLosesNothing stops the gateway while webhooks stream in and a broadcast goes out, and starts it again.
func TestStopUnderLoadLosesNothing(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, func(o *fake.Options) {
			o.Answer = func(fake.Send) fake.Outcome { return fake.Outcome{Hang: 50 * time.Millisecond} }
		})
		w.start()
		all := people(6100, 150)
		out := all[100:]
		id := w.broadcast(all, nil)
		var events []fake.Event
		for i := range 200 {
			events = append(events, fake.Text(acme, person(6300+i), "hello", time.Now()))
			if i%4 == 0 {
				events = append(events, fake.Text(acme, out[i/4], "STOP", time.Now()))
			}
		}
		stream := w.stream(events)
		for _, n := range []int{20, 50, 80} {
			eventually(t, "calls are under way", func() bool { return len(w.meta.Sends()) >= n })
			w.stop()
			w.start()
		}
		acknowledged := stream()
		w.barred(out...)
		w.confirmed(out...)
		now := w.finished("acme", id)
		if now.Totals.Unknown != 0 || now.Totals.Audience != 150 {
			t.Errorf("totals %+v: whoever drains knows what became of each call", now.Totals)
		}
		w.settled()
		ids := w.keptIDs()
		if missing := slices.DeleteFunc(acknowledged, func(id string) bool { return ids[id] }); len(missing) > 0 {
			t.Errorf("%d messages were acknowledged and are not kept", len(missing))
		}
		for _, p := range out {
			if n := len(w.confirmations(p)); n != 1 {
				t.Errorf("%d confirmations", n)
			}
		}
		calledOnce(t, w.meta.Sends())
		bulkEndsWithConfirmation(t, w.meta.Sends())
	})
}

// TestWhatCantStartSaysWhyAndLeavesNothing starts gateways on a port and a data directory that are taken.
func TestWhatCantStartSaysWhyAndLeavesNothing(t *testing.T) {
	first := begin(t, servers{})
	second := newWorld(t, servers{}, nil)
	data := second.settings["data_dir"].(string)
	for name, c := range map[string]struct {
		change map[string]any
		says   string
	}{
		"a taken port": {map[string]any{"public": map[string]any{"listen": first.public}}, "public.listen"},
		"taken data":   {map[string]any{"data_dir": first.settings["data_dir"]}, "another process uses it"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), bootTime)
		old := map[string]any{}
		for key, value := range c.change {
			old[key], second.settings[key] = second.settings[key], value
		}
		gateway, err := app.Start(ctx, second.options())
		cancel()
		if err == nil {
			gateway.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		maps.Copy(second.settings, old)
	}
	second.start() // nothing of the failed ones is in the way
	if status, _, _ := fetch(http.MethodGet, "http://"+first.public+"/readyz", "", nil); status != http.StatusOK {
		t.Errorf("the first gateway: %d", status)
	}
	second.stop()
	if err := os.WriteFile(filepath.Join(data, "FORMAT"), []byte("something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Start(t.Context(), second.options()); err == nil || !strings.Contains(err.Error(), "another format") {
		t.Errorf("data of another format: %v", err)
	}
}
