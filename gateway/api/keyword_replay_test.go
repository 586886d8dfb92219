package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"optgate/gateway/api"
	"optgate/pipeline/stream"
)

// wrote keeps a message that somebody sent to a number, as ingress keeps it.
func (w *world) wrote(number, phone, id, words string, at time.Time) {
	text, err := json.Marshal(words)
	if err != nil {
		panic(err)
	}
	w.keep(stream.Inbound, len(w.logs[stream.Inbound][0])%2, at, "", fmt.Appendf(nil,
		`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",`+
			`"metadata":{"display_phone_number":"1","phone_number_id":%q},"messages":[{"from":%q,"id":%q,"timestamp":"%d","type":"text","text":{"body":%s}}]}}]}]}`,
		number, phone, id, at.Unix(), text), stream.Header{Key: "v", Value: "1"})
}

type heardLine struct {
	Progress *struct{ Read, Of int } `json:"progress"`
	Keyword  string                  `json:"keyword"`
	Folded   string                  `json:"folded"`
	Messages int                     `json:"messages"`
	People   int                     `json:"people"`
	OptedOut int                     `json:"opted_out"`
	Totals   *struct {
		Read, Messages, Unreadable, People int
		OptedOut                           int `json:"opted_out"`
		Complete                           bool
	} `json:"totals"`
}

func (w *world) heard(t *testing.T, body string) (words map[string][3]int, last heardLine) {
	t.Helper()
	words = map[string][3]int{}
	for line := range bytes.Lines(w.call(t, "acme-lists", "POST", "/v1/keyword-replays", body).is(200, "").body) {
		last = heardLine{}
		if err := json.Unmarshal(line, &last); err != nil {
			t.Fatal(err)
		}
		if last.Keyword != "" {
			words[last.Keyword] = [3]int{last.Messages, last.People, last.OptedOut}
		}
	}
	if last.Totals == nil {
		t.Fatalf("the last line has no totals: %+v", last)
	}
	return words, last
}

// What would these words have matched? The very code that hears messages answers, and nothing of them is shown.
func TestWordsAreTriedOnThePast(t *testing.T) {
	w := newWorld(t, nil)
	ada, bea, cid := "447700900001", "447700900002", "447700900003"
	w.wrote("1", ada, "m1", "Velvet, please!", now.Add(-time.Hour))
	w.wrote("1", ada, "m1", "Velvet, please!", now.Add(-time.Hour)) // Meta again
	w.wrote("1", ada, "m2", "ＶＥＬＶＥＴ 🦦", now.Add(-time.Minute))
	w.wrote("1", bea, "m3", "velvet", now.Add(-time.Minute))
	w.wrote("1", bea, "m4", "don't velvet the otter", now.Add(-time.Minute))
	w.wrote("1", cid, "m5", "Otter", now.Add(-3*24*time.Hour))
	w.wrote("1", cid, "m6", "otter", now.Add(-9*24*time.Hour)) // too old
	w.wrote("2", cid, "m7", "velvet", now)                     // globex's
	w.wrote("9", cid, "m8", "velvet", now)                     // nobody's
	w.keep(stream.Inbound, 0, now, "", []byte("{velvet"))
	w.keep(stream.Inbound, 0, now, "", nil)
	w.stop(t, "acme", now, "phone:"+"447700900002")
	words, last := w.heard(t, `{"keywords":["Velvet","OTTER","nothing","stop"],"since":"7d"}`)
	for word, want := range map[string][3]int{"Velvet": {3, 2, 1}, "OTTER": {1, 1, 0}, "nothing": {}, "stop": {}} {
		if words[word] != want {
			t.Errorf("%s: %v, not %v", word, words[word], want)
		}
	}
	if n := last.Totals; n.Messages != 6 || n.People != 3 || n.OptedOut != 1 || n.Unreadable != 2 || !n.Complete {
		t.Errorf("%+v", *n)
	}
	if words, _ := w.heard(t, `{"keywords":["otter","ot ter"],"since":"12h"}`); words["otter"] != [3]int{} {
		t.Errorf("since 12 h: %v", words)
	}
	if words, _ := w.heard(t, `{"keywords":["velvet"],"list":"news","channel":"wa"}`); words["velvet"] != [3]int{3, 2, 0} {
		t.Errorf("for another list: %v", words)
	}
	if shown := w.log.String(); strings.Contains(strings.ToLower(shown), "velvet") || strings.Contains(shown, "7700900") {
		t.Errorf("in the log: %s", shown)
	}
	if n := len(w.logs[stream.Commands][0]) + len(w.logs[stream.Commands][1]); n != 1 {
		t.Errorf("%d commands: it changed something", n)
	}
}

func TestWhatNoReplayCanBeMadeOfIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	f := func(body string, fields ...string) {
		t.Helper()
		r := w.call(t, "acme-lists", "POST", "/v1/keyword-replays", body)
		if got := r.fields(); r.status != 422 || !slices.Equal(got, fields) {
			t.Errorf("%d %v: %s", r.status, got, body)
		}
	}
	f(`{}`, "keywords out_of_range")
	f(`{"keywords":[]}`, "keywords out_of_range")
	f(`{"keywords":["ok","",".!?","`+strings.Repeat("a", 301)+`"]}`, "keywords[1] not_a_keyword", "keywords[2] not_a_keyword", "keywords[3] not_a_keyword")
	f(`{"keywords":["a"],"since":"next week","list":"nope","channel":"wb"}`, "since not_a_time", "list unknown_list", "channel unknown_channel")
	f(`{"keywords":["a"],"dry_run":false}`, "dry_run unknown_field")
	w.call(t, "acme-lists", "POST", "/v1/keyword-replays", `[`).is(400, "invalid_json")
	w.call(t, "acme-read", "POST", "/v1/keyword-replays", `{"keywords":["a"]}`).is(403, "forbidden")
	w.call(t, "operator", "POST", "/v1/keyword-replays", `{"keywords":["a"]}`).is(403, "forbidden")
}

// Each replay reads all that is kept, so that a few at once are enough. One that ended makes room.
func TestReplaysAreFewAtOnce(t *testing.T) {
	reading, goOn := make(chan struct{}, 2), make(chan struct{})
	w := newWorld(t, func(o *api.Options) {
		o.Topics = slowly{o.Topics.(*world), reading, goOn}
	})
	w.wrote("1", "447700900001", "m1", "velvet", now)
	body := `{"keywords":["velvet"]}`
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() { w.call(t, "acme-lists", "POST", "/v1/keyword-replays", body).is(200, "") })
		<-reading
	}
	w.call(t, "acme-lists", "POST", "/v1/keyword-replays", body).is(503, "busy")
	close(goOn)
	running.Wait()
	w.call(t, "acme-lists", "POST", "/v1/keyword-replays", body).is(200, "")
}

// slowly begins to read and waits.
type slowly struct {
	*world
	reading chan<- struct{}
	goOn    <-chan struct{}
}

func (s slowly) Read(ctx context.Context, topic stream.Topic, partition int, from, to int64, each func(stream.Record) error) error {
	select {
	case s.reading <- struct{}{}:
	default:
	}
	<-s.goOn
	return s.world.Read(ctx, topic, partition, from, to, each)
}
