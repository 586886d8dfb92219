package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// bury puts a letter into dead.
func (w *world) bury(at time.Time, source, reason string, value []byte, headers ...stream.Header) {
	headers = append(headers, stream.Header{Key: "source", Value: source}, stream.Header{Key: "reason", Value: reason})
	w.keep(stream.Dead, 0, at, "", value, headers...)
}

type replayed struct {
	Replayed int            `json:"replayed"`
	Skipped  map[string]int `json:"skipped"`
	Next     *string        `json:"next"`
}

// An item goes back with the time at which it was received, so that an old STOP stays an old one.
func TestAnItemGoesBackAsItWas(t *testing.T) {
	w := newWorld(t, nil)
	app, received := stream.Header{Key: "app", Value: "main"}, stream.Header{Key: "received_at", Value: "1794300000000"}
	w.bury(now, "inbound/1/7", "unknown_channel", []byte(`{"a":1}`), app, received)
	var r replayed
	for range 2 {
		w.call(t, "operator", "POST", "/v1/dead/0/0/replay", "").is(200, "").into(&r)
		if r.Replayed != 1 || len(r.Skipped) != 0 || r.Next != nil {
			t.Errorf("%+v", r)
		}
	}
	back := append(w.logs[stream.Inbound][0], w.logs[stream.Inbound][1]...)
	for _, b := range back {
		if string(b.Value) != `{"a":1}` || b.Header("v") != "1" || b.Header("app") != "main" || b.Header("received_at") != "1794300000000" || b.Header("reason") != "" {
			t.Errorf("%+v", b)
		}
	}
	if len(back) != 2 {
		t.Errorf("%d are back", len(back))
	}
	for place, want := range map[string]string{"0/9": "unknown_letter", "7/0": "unknown_letter", "x/0": "unknown_letter"} {
		w.call(t, "operator", "POST", "/v1/dead/"+place+"/replay", "").is(404, want)
	}
	w.call(t, "acme-admin", "POST", "/v1/dead/0/0/replay", "").is(403, "forbidden")
}

// A command goes back to its shard under its own id: what it did once it doesn't do again.
func TestACommandGoesBackToItsShard(t *testing.T) {
	w := newWorld(t, nil)
	who := phoneAt("acme", 1, 0)
	change := optout.Change{Out: true, Who: []optout.Ref{{ID: who, P: key("acme").Pseudonym(who)}}, Marks: []optout.Mark{{List: "default", Channel: "wa", At: 1, Source: "message"}}}
	records, err := change.Records(shards, "the-id", "acme", 1)
	if err != nil {
		t.Fatal(err)
	}
	w.bury(now, "commands/1/7", "fold_failed", records[0].Value)
	for range 3 {
		w.call(t, "operator", "POST", "/v1/dead/0/0/replay", "").is(200, "")
	}
	if n, rows := len(w.logs[stream.Commands][1]), len(w.logs[stream.Consent][1]); n != 3 || rows != 1 {
		t.Errorf("%d commands, %d rows", n, rows)
	}
	if c := w.logs[stream.Commands][1][0]; string(c.Key) != "the-id" {
		t.Errorf("under the id %q", c.Key)
	}
}

func TestWhatCantGoBackIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	received := stream.Header{Key: "received_at", Value: "1794300000000"}
	for n, c := range []struct {
		source string
		value  string
		header stream.Header
		code   string
	}{
		{"ingress", "{", received, "not_replayable"},
		{"outbound.bulk/1/7", "{}", received, "not_replayable"},
		{"state/0/1", "{}", received, "not_replayable"},
		{"", "{}", received, "not_replayable"},
		{"inbound/0/1", "", received, "incomplete"},
		{"inbound/0/1", "{}", stream.Header{Key: "received_at", Value: "yesterday"}, "incomplete"},
		{"inbound/0/1", "{}", stream.Header{Key: "x"}, "incomplete"},
		{"commands/2/1", `{"id":"a"}`, received, "incomplete"},
		{"commands/-1/1", `{"id":"a"}`, received, "incomplete"},
		{"commands/0/1", `not a command`, received, "incomplete"},
		{"commands/0/1", `{}`, received, "incomplete"},
		{"commands", `{"id":"a"}`, received, "incomplete"},
	} {
		w.bury(now, c.source, "r", []byte(c.value), c.header)
		w.call(t, "operator", "POST", fmt.Sprintf("/v1/dead/0/%d/replay", n), "").is(422, c.code)
	}
	var r replayed
	w.call(t, "operator", "POST", "/v1/dead/replay", "{}").is(200, "").into(&r)
	if r.Replayed != 0 || !maps.Equal(r.Skipped, map[string]int{"not_replayable": 4, "incomplete": 8}) || len(w.logs[stream.Inbound][0]) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestLettersGoBackByWhatTheyAre(t *testing.T) {
	received := stream.Header{Key: "received_at", Value: "1794300000000"}
	f := func(body string, want int, skipped int) {
		t.Helper()
		w := newWorld(t, nil)
		for n := range 30 {
			reason := []string{"unknown_channel", "unreadable", "handler_failed"}[n%3]
			w.bury(now.Add(time.Duration(n-40)*time.Minute), fmt.Sprintf("inbound/%d/%d", n%2, n), reason, fmt.Append(nil, n), received)
		}
		w.bury(now.Add(-time.Minute), "ingress", "not_json", []byte("{"), received)
		w.bury(now.Add(time.Minute), "inbound/0/99", "unknown_channel", []byte("later"), received)
		all, calls := replayed{Skipped: map[string]int{}}, 0
		for after := ""; ; calls++ {
			var asked map[string]any
			if err := json.Unmarshal([]byte(body), &asked); err != nil {
				t.Fatal(err)
			}
			if after != "" {
				asked["after"] = after
			}
			sent, err := json.Marshal(asked)
			if err != nil {
				t.Fatal(err)
			}
			var r replayed
			w.call(t, "operator", "POST", "/v1/dead/replay", string(sent)).is(200, "").into(&r)
			all.Replayed += r.Replayed
			for reason, n := range r.Skipped {
				all.Skipped[reason] += n
			}
			if r.Next == nil {
				break
			}
			after = *r.Next
		}
		back := len(w.logs[stream.Inbound][0]) + len(w.logs[stream.Inbound][1])
		if all.Replayed != want || back != want || all.Skipped["not_replayable"] != skipped {
			t.Errorf("%s: %+v, %d are back", body, all, back)
		}
	}
	f(`{}`, 30, 1)
	f(`{"limit":7}`, 30, 1)
	f(`{"reason":"unknown_channel"}`, 10, 0)
	f(`{"reason":"unknown_channel","limit":1}`, 10, 0)
	f(`{"source":"inbound/1"}`, 15, 0)
	f(`{"source":"inbound"}`, 30, 0)
	f(`{"source":"in"}`, 0, 0)
	f(`{"source":"ingress"}`, 0, 1)
	f(`{"since":"25m"}`, 15, 1)
	f(`{"until":"25m"}`, 16, 0)
	f(`{"since":"2026-11-22T11:30:00Z","until":"2026-11-22T11:31:00Z"}`, 2, 0)

	w := newWorld(t, nil)
	w.call(t, "operator", "POST", "/v1/dead/replay", `{"since":"soon","until":"now","limit":0,"after":"x"}`).is(422, "invalid_fields")
	w.call(t, "operator", "POST", "/v1/dead/replay", `{"limit":10001}`).is(422, "invalid_field")
	w.call(t, "operator", "POST", "/v1/dead/replay", `{"reasons":"x"}`).is(422, "invalid_field")
	for _, body := range []string{"", "null", "[]", "7"} {
		w.call(t, "operator", "POST", "/v1/dead/replay", body).is(400, "invalid_json")
	}
	w.call(t, "acme-admin", "POST", "/v1/dead/replay", `{}`).is(403, "forbidden")
}
