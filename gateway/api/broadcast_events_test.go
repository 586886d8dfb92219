package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// event is one event of a stream.
type event struct{ id, name, data string }

// watch asks for a broadcast's events; nothing is read yet.
func (d *desk) watch(t *testing.T, ctx context.Context, id, last string) *http.Response { //nolint:revive // as t.Context would be
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", d.url+"/v1/broadcasts/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer acme-read")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// next reads the next event; io.EOF at the end.
func next(lines *bufio.Reader) (e event, err error) {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case line == "\n" && e.data != "":
			return e, nil
		case name == "id":
			e.id = value
		case name == "event":
			e.name = value
		case name == "data":
			e.data = value
		}
	}
}

// become gives the broadcast another status.
func (d *desk) become(t *testing.T, id string, status broadcast.Status, facts map[int]chat.Fact) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	ref := broadcast.Ref{Account: "acme", ID: id}
	var b broadcast.Broadcast
	if err := json.Unmarshal(d.states[ref.Key()], &b); err != nil {
		t.Fatal(err)
	}
	b.Status = status
	if status == broadcast.Paused {
		b.Pause = &broadcast.Pause{Code: "quality", Reason: "Meta says RED.", At: 1}
	}
	raw, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	d.states[ref.Key()], d.facts = raw, facts
}

func TestProgressIsStreamedUntilTheEnd(t *testing.T) {
	d := newDesk(t)
	var made shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(1), person(2), person(3))).is(http.StatusCreated, "").into(&made)
	resp := d.watch(t, t.Context(), made.ID, "")
	defer resp.Body.Close() //nolint:errcheck // it is read to its end
	lines := bufio.NewReader(resp.Body)
	var ids []string
	follow := func(name, holds string) {
		t.Helper()
		e, err := next(lines)
		if err != nil || e.name != name || !strings.Contains(e.data, holds) || e.id == "" {
			t.Fatalf("%+v %v, not %s with %s", e, err, name, holds)
		}
		ids = append(ids, e.id)
	}
	follow("progress", `"status":"planned","totals":{"audience":3,"duplicates":0,"queued":3`)
	d.become(t, made.ID, broadcast.Running, map[int]chat.Fact{1: {Status: chat.Sent}})
	follow("progress", `"queued":2,"skipped":0,"sent":1`)
	d.mu.Lock()
	d.unfolded = fault.New(fault.NotCertain, "not_certain", "behind") // nothing is said, and the stream goes on
	d.mu.Unlock()
	d.become(t, made.ID, broadcast.Paused, map[int]chat.Fact{1: {Status: chat.Sent}})
	d.mu.Lock()
	d.unfolded = nil
	d.mu.Unlock()
	follow("progress", `"pause":{"code":"quality","reason":"Meta says RED."`)
	d.become(t, made.ID, broadcast.Cancelled, map[int]chat.Fact{1: {Status: chat.Sent}, 2: {Status: chat.Cancelled}})
	follow("progress", `"status":"cancelled","totals":{"audience":3,"duplicates":0,"queued":1`)
	d.become(t, made.ID, broadcast.Cancelled, map[int]chat.Fact{1: {Status: chat.Sent}, 2: {Status: chat.Cancelled}, 3: {Status: chat.Cancelled}})
	follow("cancelled", `"cancelled":2`)
	if e, err := next(lines); err != io.EOF {
		t.Errorf("after the end: %+v %v", e, err)
	}

	again := d.watch(t, t.Context(), made.ID, ids[4])
	again.Body.Close() //nolint:errcheck // there is none
	if again.StatusCode != http.StatusNoContent {
		t.Errorf("whoever has the last event is answered %d", again.StatusCode)
	}
	late := d.watch(t, t.Context(), made.ID, ids[1])
	defer late.Body.Close() //nolint:errcheck // it is read to its end
	if e, err := next(bufio.NewReader(late.Body)); err != nil || e.name != "cancelled" {
		t.Errorf("who comes back after the end is told %+v %v", e, err)
	}
}

func TestStreamsOfAnAccountAreBoundedAndFreedAtOnce(t *testing.T) {
	d := newDesk(t)
	var made shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(1))).is(http.StatusCreated, "").into(&made)
	path := "/v1/broadcasts/" + made.ID + "/events"
	for range 2 {
		ctx, leave := context.WithCancel(t.Context())
		for range 20 {
			resp := d.watch(t, ctx, made.ID, "")
			if _, err := next(bufio.NewReader(resp.Body)); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp.StatusCode, err)
			}
		}
		d.call(t, "acme-read", "GET", path, "").is(http.StatusTooManyRequests, "too_many_streams")
		leave()
		ctx, leave = context.WithTimeout(t.Context(), 5*time.Second)
		for {
			resp := d.watch(t, ctx, made.ID, "")
			resp.Body.Close() //nolint:errcheck // only the status counts
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		leave()
	}
	d.call(t, "globex-admin", "GET", path, "").is(http.StatusNotFound, "not_found")
}
