package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/stream"
)

// keep puts a record where the test wants it, with its own time.
func (w *world) keep(topic stream.Topic, partition int, at time.Time, key string, value []byte, headers ...stream.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := &w.logs[topic][partition]
	*log = append(*log, stream.Record{
		Topic: topic, Partition: partition, Offset: int64(len(*log)), Time: at, Key: []byte(key), Value: value, Headers: headers,
	})
	close(w.grown)
	w.grown = make(chan struct{})
}

type shownRecord struct {
	Topic     string            `json:"topic"`
	Partition int               `json:"partition"`
	Offset    int64             `json:"offset"`
	At        string            `json:"at"`
	Key       string            `json:"key"`
	Value     json.RawMessage   `json:"value"`
	Headers   map[string]string `json:"headers"`
}

func TestTailShowsRecordsAsLines(t *testing.T) {
	w := newWorld(t, nil)
	w.keep(stream.Inbound, 0, now, "k", []byte("{\n \"a\": \"<b>\"}"), stream.Header{Key: "v", Value: "1"})
	w.keep(stream.Inbound, 0, now, "", []byte("\xffno\nJSON"))
	w.keep(stream.Inbound, 1, now.Add(time.Minute), "", nil)
	f := func(query string, want ...string) {
		t.Helper()
		r := w.call(t, "operator", "GET", "/v1/tail/inbound?"+query, "").is(200, "")
		if r.header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("as %s", r.header.Get("Content-Type"))
		}
		if diff := cmp.Diff(strings.Join(want, ""), string(r.body)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	lines := []string{
		`{"topic":"inbound","partition":0,"offset":0,"at":"2026-11-22T12:00:00Z","key":"k","value":{"a":"<b>"},"headers":{"v":"1"}}` + "\n",
		`{"topic":"inbound","partition":0,"offset":1,"at":"2026-11-22T12:00:00Z","key":"","value":"\ufffdno\nJSON","headers":{}}` + "\n",
		`{"topic":"inbound","partition":1,"offset":0,"at":"2026-11-22T12:01:00Z","key":"","value":null,"headers":{}}` + "\n",
	}
	f("", lines...)
	f("from=beginning&follow=false", lines...)
	f("from=2026-11-22T12:00:30Z", lines[2])
	f("from=end")
	w.call(t, "operator", "GET", "/v1/tail/inbound?from=yesterday", "").is(400, "invalid_field")
	w.call(t, "operator", "GET", "/v1/tail/inbound?follow=perhaps", "").is(400, "invalid_field")
	w.call(t, "operator", "GET", "/v1/tail/nothing", "").is(404, "unknown_topic")
}

func TestTailFollowsAllPartitions(t *testing.T) {
	w := newWorld(t, nil)
	w.keep(stream.Inbound, 0, now, "before", nil)
	req, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/v1/tail/inbound?from=end&follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer operator")
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	from := bufio.NewReader(resp.Body)
	for partition, key := range []string{"first", "second"} {
		w.keep(stream.Inbound, partition, now, key, nil)
		line, err := from.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var r shownRecord
		if err := json.Unmarshal(line, &r); err != nil || r.Key != key || r.Partition != partition {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestDeadLetters(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 3 {
		w.keep(stream.Dead, i%2, now, "ingress", []byte("{velvet otter"),
			stream.Header{Key: "source", Value: "ingress"}, stream.Header{Key: "reason", Value: "not_json"})
	}
	var p struct {
		Data []map[string]any `json:"data"`
		Next *string          `json:"next"`
	}
	r := w.call(t, "operator", "GET", "/v1/dead?limit=2", "").is(200, "")
	r.into(&p)
	want := map[string]any{
		"partition": 0.0, "offset": 0.0, "at": "2026-11-22T12:00:00Z", "source": "ingress", "reason": "not_json", "bytes": 13.0,
	}
	if len(p.Data) != 2 || p.Next == nil || strings.Contains(string(r.body), "velvet") {
		t.Fatalf("%s", r.body)
	}
	if diff := cmp.Diff(want, p.Data[0]); diff != "" {
		t.Error(diff)
	}
	w.call(t, "operator", "GET", "/v1/dead?limit=2&after="+*p.Next, "").is(200, "").into(&p)
	if len(p.Data) != 1 || p.Data[0]["partition"] != 1.0 || p.Next != nil {
		t.Errorf("%+v", p)
	}
	var one shownRecord
	w.call(t, "operator", "GET", "/v1/dead/0/1", "").is(200, "").into(&one)
	if string(one.Value) != `"{velvet otter"` || one.Offset != 1 || one.Headers["reason"] != "not_json" {
		t.Errorf("%+v", one)
	}
	for _, place := range []string{"0/2", "2/0", "0/-1", "-1/0", "x/0", "0/x"} {
		w.call(t, "operator", "GET", "/v1/dead/"+place, "").is(404, "unknown_letter")
	}
	for _, cursor := range []string{"x", "1", "1.x", "-1.0"} {
		w.call(t, "operator", "GET", "/v1/dead?after="+cursor, "").is(400, "invalid_field")
	}
}
