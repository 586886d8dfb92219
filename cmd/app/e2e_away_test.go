package app_test

import (
	"bytes"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"optgate/gateway/embedded"
	"optgate/gateway/meta"
	"optgate/gateway/meta/fake"
)

// post delivers a webhook once, and gives its status and Retry-After.
func (w *world) post(events ...fake.Event) (status int, retry string) {
	w.t.Helper()
	body := fake.Body(events...)
	request, err := http.NewRequest(http.MethodPost, "http://"+w.public+"/webhooks/meta", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("X-Hub-Signature-256", meta.Sign([]byte(appSecret), body))
	response, err := client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode, response.Header.Get("Retry-After")
}

// TestKafkaAway cuts Kafka off in the middle of a broadcast: nothing is kept, so nothing is said to be kept; nothing is
// sent; and when it is back everything goes on without a restart.
func TestKafkaAway(t *testing.T) {
	together(t)
	kafkaAway(t, cut)
}

// TestKafkaSilent is the same where Kafka takes everything and answers nothing.
func TestKafkaSilent(t *testing.T) {
	together(t)
	kafkaAway(t, silent)
}

// newWorldOnACable makes a world whose Kafka, of its own, can be cut off. The line is whole again when the test ends.
func newWorldOnACable(t *testing.T) (w *world, line *cable) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(t.TempDir()), kfake.ListenFn(func(network, _ string) (net.Listener, error) {
		listener, err := net.Listen(network, "127.0.0.1:0")
		line = newCable(listener)
		return line, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w = newWorld(t, servers{kafka: cluster.ListenAddrs()}, nil)
	w.settings["shards"] = 2
	t.Cleanup(func() { line.set(whole) })
	return w, line
}

func kafkaAway(t *testing.T, how state) {
	w, line := newWorldOnACable(t)
	w.start()
	out, all := person(700), people(700, 150)
	w.says(out, "STOP")
	w.barred(out)
	id := w.broadcast(all, nil)
	eventually(t, "the broadcast runs", func() bool { return len(offers(w.meta.Sends())) > 30 })

	line.set(how)
	cutAt := time.Now()
	late := fake.Text(acme, person(701), "hello", time.Now())
	if status, retry := w.post(late); status != http.StatusServiceUnavailable || retry == "" {
		t.Errorf("a webhook that can't be kept is answered %d, Retry-After %q", status, retry)
	}
	eventually(t, "it is not ready", func() bool { ready, _ := w.ready(); return !ready })
	if status, _, _ := fetch(http.MethodGet, "http://"+w.public+"/healthz", "", nil); status != http.StatusOK {
		t.Errorf("the process lives, and /healthz says %d", status)
	}
	eventually(t, "nobody can be certain", func() bool { _, ok := w.why("acme", person(702)); return !ok })
	w.silentSince(cutAt)

	line.set(whole)
	eventually(t, "it is ready again", func() bool { ready, _ := w.ready(); return ready })
	w.deliver(late)
	if now := w.finished("acme", id); now.Totals.Audience != 150 || now.Totals.Skipped != 1 || now.Totals.Sent+now.Totals.Unknown != 149 {
		t.Errorf("totals %+v", now.Totals)
	}
	calledOnce(t, w.meta.Sends())
	if len(offers(w.meta.To(out.Phone))) > 0 {
		t.Error("who opted out was called")
	}
	w.settled()
	if !w.keptIDs()[late.ID] {
		t.Error("a webhook that was answered 200 is not kept")
	}
}

// TestRedisAway cuts Redis off in the middle of a broadcast: webhooks are kept and worked off later, and nothing is sent.
func TestRedisAway(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		if len(on.redis) > 1 {
			on.redis = nil // the nodes of a Cluster tell their own addresses, around any cable
		}
		if len(on.redis) == 0 {
			e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { e.Close() })
			on.redis = []string{e.Redis}
		}
		line := extend(t, on.redis[0])
		on.redis = []string{line.Addr().String()}
		w := begin(t, on)
		out, later, all := person(800), person(801), people(800, 150)
		w.says(out, "STOP")
		w.barred(out)
		id := w.broadcast(all, nil)
		eventually(t, "the broadcast runs", func() bool { return len(offers(w.meta.Sends())) > 30 })

		line.set(cut)
		cutAt := time.Now()
		w.says(later, "STOP")
		within(t, 4*time.Second, "it is not ready", func() bool { ready, _ := w.ready(); return !ready })
		if _, ok := w.why("acme", later); ok {
			t.Error("somebody is certain without Redis")
		}
		status, answer := w.api(http.MethodPost, "/v1/messages", acmeToken, map[string]any{
			"channel": "wa", "to": shown(person(802)), "category": "marketing", "message": map[string]any{"type": "text", "text": map[string]any{"body": "hi"}},
		}, nil)
		if status != http.StatusServiceUnavailable {
			t.Errorf("a message without a gate: %d %s", status, answer)
		}
		quiet(t, time.Second)
		w.silentSince(cutAt)

		line.set(whole)
		w.barred(out, later)
		now := w.finished("acme", id)
		if now.Totals.Audience != 150 || now.Totals.Skipped < 1 || now.Totals.Skipped+now.Totals.Sent != 150 {
			t.Errorf("totals %+v", now.Totals)
		}
		w.confirmed(out, later)
		calledOnce(t, w.meta.Sends())
	})
}
