package app_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// kept is a record of a topic as the operator sees it.
type kept struct {
	Partition int
	Offset    int64
	At        time.Time
	Key       string
	Value     json.RawMessage
	Headers   map[string]string
}

// tail reads a topic to its end.
func (w *world) tail(topic string) (records []kept) {
	w.t.Helper()
	status, raw := w.api(http.MethodGet, "/v1/tail/"+topic, operatorToken, nil, nil)
	if status != http.StatusOK {
		w.t.Fatalf("tail %s: %d %s", topic, status, raw)
	}
	for line := range strings.Lines(raw) {
		var r kept
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatalf("tail %s: %v in %q", topic, err, line)
		}
		w.documentedRecord(topic, r)
		records = append(records, r)
	}
	return records
}

var anyMessageID = regexp.MustCompile(`(?:wamid\.|m_)[A-Za-z0-9+/=_-]+`)

// keptIDs gives the ids of all messages that stand in inbound or dead.
func (w *world) keptIDs() map[string]bool {
	w.t.Helper()
	ids := map[string]bool{}
	for _, topic := range []string{"inbound", "dead"} {
		for _, r := range w.tail(topic) {
			for _, id := range anyMessageID.FindAllString(strings.ReplaceAll(string(r.Value), `\`, ""), -1) {
				ids[id] = true
			}
		}
	}
	return ids
}

// unknownMessages gives the digits of who has a confirmation that is reported Unknown.
func (w *world) unknownMessages() map[string]bool {
	w.t.Helper()
	to := map[string]string{}
	for _, r := range w.tail("outbound.replies") {
		var m struct{ ID, To string }
		if err := json.Unmarshal(r.Value, &m); err != nil {
			w.t.Fatal(err)
		}
		to[m.ID] = strings.TrimPrefix(m.To, "phone:")
	}
	people := map[string]bool{}
	for _, r := range w.tail("outcomes") {
		var f struct{ ID, Status string }
		if err := json.Unmarshal(r.Value, &f); err != nil {
			w.t.Fatal(err)
		}
		if f.Status == "Unknown" && to[f.ID] != "" {
			people[to[f.ID]] = true
		}
	}
	return people
}

// decisions gives when the first ledger row about each phone was written, which is shortly before it took effect.
func (w *world) decisions() map[string]time.Time {
	w.t.Helper()
	type place struct {
		shard int
		row   int64
	}
	written := map[place]time.Time{}
	for _, r := range w.tail("consent") {
		written[place{r.Partition, r.Offset}] = r.At
	}
	decided := map[string]time.Time{}
	for _, r := range w.tail("events") {
		var e struct {
			Kind, Identifier string
			Shard            int
			Row              int64
		}
		if err := json.Unmarshal(r.Value, &e); err != nil {
			w.t.Fatal(err)
		}
		phone, ok := strings.CutPrefix(e.Identifier, "phone:")
		if e.Kind != "optout" || !ok {
			continue
		}
		at := written[place{e.Shard, e.Row}]
		if at.IsZero() {
			w.t.Errorf("an event names row %d of shard %d, which is not there", e.Row, e.Shard)
		}
		decided[phone] = at
	}
	return decided
}

// ledgerChanges checks that rows of the ledger turn each entry from in to out and back, never twice the same way, and that
// each row's predecessor is the one before it.
func (w *world) ledgerChanges(t *testing.T) {
	t.Helper()
	type place struct {
		account, list, channel string
		pseudonym              int64
	}
	stands, rows := map[place]string{}, 0
	for _, r := range w.tail("consent") {
		var change struct {
			Account, List, Channel, From, To string
			Pseudonym                        int64
		}
		if err := json.Unmarshal(r.Value, &change); err != nil {
			t.Fatal(err)
		}
		if change.List == "" {
			continue // a claim
		}
		rows++
		at := place{change.Account, change.List, change.Channel, change.Pseudonym}
		before := stands[at]
		if before == "" {
			before = "in"
		}
		if change.From != before || change.To == change.From {
			t.Errorf("a row of the ledger at %d leads from %s to %s where %s stood", r.Offset, change.From, change.To, before)
		}
		stands[at] = change.To
	}
	if rows == 0 {
		t.Error("the ledger is empty")
	}
}
