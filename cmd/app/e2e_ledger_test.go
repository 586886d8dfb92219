package app_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"optgate/gateway/api/apitest"
	"optgate/gateway/meta/fake"
	"optgate/pipeline/optout"
)

// proof asks whether the ledger is whole, against heads if there are any.
func (w *world) proof(heads string) (all []optout.Verdict) {
	w.t.Helper()
	method, kind := http.MethodGet, ""
	if heads != "" {
		method, kind = http.MethodPost, "application/x-ndjson"
	}
	status, raw, header := fetch(method, "http://"+w.private+"/v1/ledger/verify", operatorToken, []byte(heads))
	w.documented(apitest.Exchange{Method: method, Target: "/v1/ledger/verify", Asked: []byte(heads), Kind: kind, Status: status, Header: header, Answer: raw})
	if status != http.StatusOK {
		w.t.Fatalf("verify: %d %s", status, raw)
	}
	for line := range strings.Lines(string(raw)) {
		var v optout.Verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// TestTheLedgerProvesItself lets people opt out and in over several lives of the gateway, and proves, exports and compares.
func TestTheLedgerProvesItself(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, nil)
		all := people(800, 12)
		for life := range 3 {
			w.start()
			some := all[4*life : 4*life+4]
			for _, p := range some {
				w.says(p, "STOP")
			}
			w.barred(some...)
			if life > 0 {
				soon := time.Now().Add(1100 * time.Millisecond) // Meta counts in seconds, and a tie bars
				eventually(t, "a second later", func() bool { return time.Now().After(soon) })
				w.says(all[0], []string{"", "START", "STOP"}[life])
			}
			w.settled()
			if life < 2 {
				w.stop()
			}
		}
		w.barred(all...)
		rows := int64(0)
		for _, v := range w.proof("") {
			if rows += v.Rows; !v.OK || v.Unchained > 0 {
				t.Errorf("%+v %+v", v, v.Problem)
			}
		}
		if rows < 14 {
			t.Errorf("%d rows", rows)
		}
		status, heads := w.api(http.MethodGet, "/v1/ledger/heads?since=1d", operatorToken, nil, nil)
		if status != http.StatusOK || heads == "" {
			t.Fatalf("heads: %d %s", status, heads)
		}
		held := 0
		for _, v := range w.proof(heads) {
			if held += v.Heads; !v.OK {
				t.Errorf("against heads: %+v %+v", v, v.Problem)
			}
		}
		if held != strings.Count(heads, "\n") {
			t.Errorf("%d heads stand of %s", held, heads)
		}
		broken := 0
		first, rest, _ := strings.Cut(heads, `"chain":"`)
		for _, v := range w.proof(first + `"chain":"` + strings.Repeat("0", 64) + rest[64:]) {
			if !v.OK {
				broken++
			}
		}
		if broken != 1 {
			t.Errorf("%d partitions differ from a head that was changed", broken)
		}
		_, exported := w.api(http.MethodGet, "/v1/ledger?to="+url.QueryEscape(shown(all[0])), acmeToken, nil, nil)
		if strings.Count(exported, "\n") != 3 || strings.Count(exported, `"to":"`+shown(all[0])+`"`) != 3 {
			t.Errorf("one person's rows: %s", exported)
		}
		if _, exported = w.api(http.MethodGet, "/v1/ledger?format=csv", bravoToken, nil, nil); strings.Count(exported, "\n") != 1 {
			t.Errorf("another account sees %s", exported)
		}
		if !strings.Contains(w.log.String(), `"chain":"`) {
			t.Error("no claim tells its chain in the log")
		}
	})
}

// TestWordsAreTriedOnKeptMessages asks what words would have matched.
func TestWordsAreTriedOnKeptMessages(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		some := people(830, 4)
		w.says(some[0], "Velvet, please")
		w.says(some[1], "VELVET!")
		w.says(some[1], "velvet")
		w.says(some[2], "the velvet otter")
		w.says(some[0], "STOP")
		w.deliver(fake.Text(bravo, some[3], "velvet", time.Now()))
		w.barred(some[0])
		_, answer := w.api(http.MethodPost, "/v1/keyword-replays", acmeToken, map[string]any{"keywords": []string{"velvet", "stop"}, "since": "1h"}, nil)
		for _, line := range []string{
			`{"keyword":"velvet","folded":"velvet","messages":3,"people":2,"opted_out":1}`,
			`{"keyword":"stop","folded":"stop","messages":1,"people":1,"opted_out":1}`,
			`{"totals":{"read":6,"messages":5,"unreadable":0,"people":2,"opted_out":1,`,
		} {
			if !strings.Contains(answer, line) {
				t.Errorf("no %s in %s", line, answer)
			}
		}
	})
}

// TestALetterIsUnderstoodOnceItsChannelIsDeclared keeps a STOP to a number that nobody knows, and puts it back when somebody
// does. It counts from when it was said, and however often it is put back it has one effect.
func TestALetterIsUnderstoodOnceItsChannelIsDeclared(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		late := fake.Number{ID: "155500000000077", WABA: "177700000000077", Display: "15550140077"}
		who, said := person(850), time.Now().Add(-time.Hour).Truncate(time.Second)
		w.deliver(fake.Text(late, who, "STOP", said))
		eventually(t, "it is in dead", func() bool { return len(w.tail("dead")) == 1 })
		again := func() int {
			t.Helper()
			var answer struct{ Replayed int }
			if status, raw := w.api(http.MethodPost, "/v1/dead/replay", operatorToken, map[string]any{"reason": "unknown_channel"}, &answer); status != http.StatusOK {
				t.Fatalf("replay: %d %s", status, raw)
			}
			return answer.Replayed
		}
		if n := again(); n != 1 {
			t.Errorf("%d put back", n)
		}
		eventually(t, "it is in dead again", func() bool { return len(w.tail("dead")) == 2 })
		w.stop()
		accounts := w.settings["accounts"].([]any)[0].(map[string]any)
		accounts["channels"] = append(accounts["channels"].([]any), map[string]any{
			"id": "late", "kind": "whatsapp", "phone_number_id": late.ID, "waba_id": late.WABA, "access_token": accessToken, "default_country": "GB",
		})
		w.start()
		for range 2 {
			if n := again(); n != 2 {
				t.Errorf("%d put back", n)
			}
		}
		eventually(t, "it counts", func() bool { return w.entries("acme", "default")[shown(who)].Channel == "late" })
		w.settled()
		var rows []optout.Row
		for _, r := range w.tail("consent") {
			if r.Key == "claim" {
				continue
			}
			var row optout.Row
			if err := json.Unmarshal(r.Value, &row); err != nil {
				t.Fatal(err)
			}
			if row.Channel == "late" {
				rows = append(rows, row)
			}
		}
		if len(rows) != 1 || rows[0].Time != said.UnixMilli() {
			t.Errorf("rows %+v, said at %d", rows, said.UnixMilli())
		}
		eventually(t, "it is confirmed", func() bool { return len(w.meta.To(who.Phone)) > 0 })
		w.settled()
		if n := len(w.meta.To(who.Phone)); n != 1 {
			t.Errorf("%d confirmations", n)
		}
	})
}
