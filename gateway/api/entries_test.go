package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/api"
	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

const entriesPath = "/v1/optout-lists/default/entries"

// made counts commands of a kind.
func (w *world) made(kind string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, log := range w.logs[stream.Commands] {
		for _, r := range log {
			var c shard.Command
			if json.Unmarshal(r.Value, &c) == nil && c.Kind == kind {
				n++
			}
		}
	}
	return n
}

func TestWrongEntriesAreToldFieldByField(t *testing.T) {
	w := newWorld(t, nil)
	f := func(body string, want ...string) {
		t.Helper()
		r := w.call(t, "acme-lists", "POST", entriesPath, body)
		if diff := cmp.Diff(want, r.fields()); diff != "" || r.status != 422 {
			t.Errorf("%s: %d %s", body, r.status, diff)
		}
	}
	f(`{}`, "channel required", "to required", "email required")
	f(`{"channel":"wa"}`, "to required", "email required")
	f(`{"channel":"wa","to":"  ","email":""}`, "to required", "email required")
	f(`{"channel":"xx","to":"+447700900001"}`, "channel unknown_channel")
	f(`{"channel":"old","to":"+447700900001"}`, "channel closed_channel")
	f(`{"channel":"wa","to":"12"}`, "to invalid_number")
	f(`{"channel":"*","to":"12345"}`, "to invalid_number") // nobody but Meta is taken at its word
	f(`{"channel":"wa","to":"ada@example.com"}`, "to invalid_number")
	f(`{"channel":"wa","to":"psid:1"}`, "to invalid_identifier")
	f(`{"channel":"*","email":"ada"}`, "email invalid_email")
	f(`{"channel":"wa","email":"ada@example.com"}`, "email wrong_channel")
	if n := w.made(optout.CommandEdit); n > 0 {
		t.Errorf("%d commands came of wrong requests", n)
	}
}

func TestAPhoneForAllChannelsIsReadWithTheCountryThatAllHave(t *testing.T) {
	w := newWorld(t, nil)
	var added entry
	w.call(t, "acme-lists", "POST", entriesPath, `{"to":"07700 900001","channel":"*"}`).is(201, "").into(&added)
	if diff := cmp.Diff([]string{"+447700900001 *"}, who(added)); diff != "" {
		t.Error(diff)
	}
	w = newWorld(t, func(o *api.Options) {
		o.Directory = chat.NewDirectory([]string{"acme"}, []chat.Channel{{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "1"}})
	})
	r := w.call(t, "acme-lists", "POST", entriesPath, `{"to":"07700 900001","channel":"*"}`).is(422, "invalid_field")
	if !strings.Contains(string(r.body), "no default country is known here") {
		t.Errorf("%s", r.body)
	}
}

func TestRemovingShowsWhatIsLinked(t *testing.T) {
	w := newWorld(t, nil)
	w.stop(t, "acme", now, "phone:447700900001", "bsuid:GB.9021")
	id := key("acme").Pseudonym("phone:447700900001").String() + ".wa"
	var removed struct {
		Linked []struct {
			To      string
			Optouts []struct{ List, Channel string }
		}
	}
	w.call(t, "acme-lists", "DELETE", entriesPath+"/"+id, "").is(200, "").into(&removed)
	if got := fmt.Sprint(removed.Linked); got != "[{GB.9021 [{default wa}]}]" {
		t.Error(got)
	}
	if diff := cmp.Diff([]string{"GB.9021 wa"}, w.entries(t, "acme-read", "default", "")); diff != "" {
		t.Errorf("lifted too: %s", diff)
	}
}

func TestARepeatedKeyIsOneChange(t *testing.T) {
	w := newWorld(t, nil)
	add := func() string {
		t.Helper()
		return string(w.call(t, "acme-lists", "POST", entriesPath, `{"to":"+447700900001","channel":"wa"}`, "Idempotency-Key", "k1").is(201, "").body)
	}
	first := add()
	w.say(t, "acme", false, now.Add(time.Hour), "phone:447700900001")
	if again := add(); again != first {
		t.Errorf("%s, and again %s", first, again)
	}
	if got := w.entries(t, "acme-read", "default", ""); len(got) > 0 {
		t.Errorf("a repeat changed something: %v", got)
	}
	w.call(t, "acme-lists", "POST", entriesPath, `{}`, "Idempotency-Key", strings.Repeat("k", 300)).is(422, "invalid_fields")

	w.stop(t, "acme", now.Add(2*time.Hour), "phone:447700900001")
	path := entriesPath + "/" + key("acme").Pseudonym("phone:447700900001").String() + ".wa"
	first = string(w.call(t, "acme-lists", "DELETE", path, "", "Idempotency-Key", "k2").is(200, "").body)
	if again := string(w.call(t, "acme-lists", "DELETE", path, "", "Idempotency-Key", "k2").is(200, "").body); again != first {
		t.Errorf("%s, and again %s", first, again)
	}
	w.call(t, "acme-lists", "DELETE", path, "").is(404, "unknown_entry")
}

// Else whoever asked would be told of a change that was never made.
func TestAKeyUsedAgainForSomethingElseIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.call(t, "acme-lists", "POST", entriesPath, `{"to":"+447700900001","channel":"wa"}`, "Idempotency-Key", "k1").is(201, "")
	for _, other := range []string{"+447700900002", "+447700900003", "+447700900004"} {
		w.call(t, "acme-lists", "POST", entriesPath, `{"to":"`+other+`","channel":"wa"}`, "Idempotency-Key", "k1").is(422, "idempotency_key_reused")
	}
	w.call(t, "acme-lists", "POST", "/v1/optout-lists/news/entries", `{"to":"+447700900001","channel":"wa"}`, "Idempotency-Key", "k1").
		is(422, "idempotency_key_reused")
	w.call(t, "acme-lists", "POST", entriesPath+"/delete", `{"ids":["1.wa"]}`, "Idempotency-Key", "k1").is(422, "idempotency_key_reused")
	w.call(t, "globex-admin", "POST", entriesPath, `{"to":"+447700900002","channel":"wb"}`, "Idempotency-Key", "k1").is(201, "")
	if diff := cmp.Diff([]string{"+447700900001 wa"}, w.entries(t, "acme-read", "default", "")); diff != "" {
		t.Error(diff)
	}
}

func TestBulkRemovalCountsExactlyWhatChanged(t *testing.T) {
	w := newWorld(t, nil)
	var ids []string
	for n := range 5 {
		id := chat.Identifier(fmt.Sprintf("phone:44770090000%d", n))
		w.stop(t, "acme", now, id)
		ids = append(ids, key("acme").Pseudonym(id).String()+".wa")
	}
	w.call(t, "acme-lists", "DELETE", entriesPath+"/"+ids[4], "").is(200, "")
	body, err := json.Marshal(map[string]any{"ids": []string{ids[0], "x", ids[1], ids[0], ids[4], "7.wa", ids[2], ids[2] + "x"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one is a repeat under its key
		var said struct {
			Removed int
			Unknown []string
		}
		w.call(t, "acme-lists", "POST", entriesPath+"/delete", string(body), "Idempotency-Key", "k").is(200, "").into(&said)
		if diff := cmp.Diff([]string{"x", ids[0], ids[4], "7.wa", ids[2] + "x"}, said.Unknown); diff != "" || said.Removed != 3 {
			t.Errorf("%d %s", said.Removed, diff)
		}
	}
	if diff := cmp.Diff([]string{"+447700900003 wa"}, w.entries(t, "acme-read", "default", "")); diff != "" {
		t.Error(diff)
	}
	for _, wrong := range []string{`{"ids":[]}`, `{}`, `{"ids":["1` + strings.Repeat(`","1`, 1000) + `"]}`} {
		w.call(t, "acme-lists", "POST", entriesPath+"/delete", wrong).is(422, "invalid_field")
	}
	if state := w.states[shards.Of(7)][optout.PersonKey("acme", 7)]; state != nil {
		t.Errorf("somebody unknown has a state now: %s", state)
	}
}

// Ten replicas that race to change one entry: whatever they are told fits the order that was decided.
func TestRacersAreToldOneStory(t *testing.T) {
	w := newWorld(t, nil)
	w.stop(t, "acme", now.Add(-time.Hour), "phone:447700900001")
	path := entriesPath + "/" + key("acme").Pseudonym("phone:447700900001").String() + ".wa"
	said := make([]int, 20)
	var racing sync.WaitGroup
	for i := range said {
		racing.Go(func() {
			if i%2 == 0 {
				said[i] = w.call(t, "acme-lists", "DELETE", path, "").status
			} else {
				said[i] = w.call(t, "acme-lists", "POST", entriesPath, `{"to":"+447700900001","channel":"wa"}`).status
			}
		})
	}
	racing.Wait()
	removed, states := 0, map[int]bool{200: true, 201: true, 404: true, 409: true}
	for _, status := range said {
		if !states[status] {
			t.Errorf("status %d", status)
		}
		if status == 200 {
			removed++
		}
	}
	lifts := 0
	for _, log := range w.logs[stream.Consent] {
		for _, r := range log {
			var row optout.Row
			if err := json.Unmarshal(r.Value, &row); err != nil {
				t.Fatal(err)
			}
			if row.To == optout.StandingIn {
				lifts++
			}
		}
	}
	if lifts != removed {
		t.Errorf("%d were told that they removed the entry; it was lifted %d times", removed, lifts)
	}
}

func TestAListIsExportedForAnImport(t *testing.T) {
	w := newWorld(t, nil)
	w.stop(t, "acme", now, "phone:447700900001")
	w.call(t, "acme-lists", "POST", entriesPath, `{"email":"=1+1@example.com","channel":"*"}`).is(201, "")
	r := w.call(t, "acme-read", "GET", entriesPath+"?format=csv", "").is(200, "")
	lines := strings.Split(strings.TrimSpace(string(r.body)), "\n")
	if slices.Sort(lines[1:]); !slices.Equal(lines, []string{"to,email,channel,at,source",
		"+447700900001,,wa,2026-11-22T12:00:00Z,message", ",'=1+1@example.com,*,2026-11-22T12:00:00Z,api"}) &&
		!slices.Equal(lines, []string{"to,email,channel,at,source",
			",'=1+1@example.com,*,2026-11-22T12:00:00Z,api", "+447700900001,,wa,2026-11-22T12:00:00Z,message"}) {
		t.Errorf("%q", lines)
	}
	if got := r.header.Get("Content-Disposition"); got != `attachment; filename="optouts-default.csv"` {
		t.Error(got)
	}
	r = w.call(t, "acme-read", "GET", entriesPath+"?format=ndjson&channel=wa", "").is(200, "")
	if got := string(r.body); got != `{"to":"+447700900001","email":"","channel":"wa","at":"2026-11-22T12:00:00Z","source":"message"}`+"\n" {
		t.Error(got)
	}
	w.call(t, "acme-read", "GET", entriesPath+"?format=xml", "").is(400, "invalid_field")
	w.call(t, "acme-read", "GET", entriesPath+"?channel=xx", "").is(422, "invalid_field")
	for n := range 10_500 {
		w.put(chat.Identifier(fmt.Sprintf("phone:4477%08d", n)))
	}
	if n := strings.Count(string(w.call(t, "acme-read", "GET", entriesPath+"?format=csv", "").is(200, "").body), "\n"); n != 10_503 {
		t.Errorf("%d lines of more than a page", n)
	}
}

// put makes the state of somebody on Default.
func (w *world) put(id chat.Identifier) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := key("acme").Pseudonym(id)
	raw, err := json.Marshal(optout.Person{V: 1, ID: id, Entries: []optout.Entry{{List: "default", Channel: "wa", Out: now.UnixMilli(), Source: "message", Row: -1}}})
	if err != nil {
		panic(err)
	}
	w.states[shards.Of(p)][optout.PersonKey("acme", p)] = raw
}
