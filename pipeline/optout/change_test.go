package optout_test

import (
	"encoding/json"
	"strings"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

const (
	ada   = "phone:447700900001"
	adaB  = "bsuid:GB.90210000000000000001"
	adaP  = "bsuid:GB.ENT.7021000000000001"
	other = "phone:447700900002"
)

func TestStopBarsEveryIdentifierItShowsAndIsConfirmedOnce(t *testing.T) {
	w := newWorld(t, 5)
	w.change("s1", typed(true, 100, "default", ada, adaB, adaP))
	w.settle()
	for _, id := range []string{ada, adaB, adaP} {
		e := w.entry(id, "default", "wa")
		if !e.Barred() || e.Out != 100 || e.Source != "message" || e.Rule != "word" || e.Message != "m100" {
			t.Errorf("%s: %+v", id, e)
		}
		if rows := w.rows(id); len(rows) != 1 || rows[0].Prev != optout.NoRow || rows[0].From != "in" || rows[0].To != "out" || rows[0].Root != "s1" {
			t.Errorf("%s: rows %+v", id, rows)
		}
		if p := w.person(id); len(p.Links) != 2 || string(p.ID) != id {
			t.Errorf("%s: %+v", id, p)
		}
	}
	sent := w.messages()
	if len(sent) != 1 {
		t.Fatalf("%d confirmations", len(sent))
	}
	m := sent[0]
	if m.ID != "c/s1" || m.To != ada || m.Given != "+447700900001" || m.Kind != chat.KindConfirmation || m.Channel != "wa" ||
		m.NotBefore != 1_002_000 || m.Until != 1_000_000+86_400_000 || body(t, m) != "text of default" || m.Pseudonym != ref(ada).P {
		t.Errorf("confirmation %+v", m)
	}
	if len(w.events) < 3 || w.events[0].Kind != optout.EventOptout || !strings.HasPrefix(w.events[0].ID, "s1/") {
		t.Errorf("events %+v", w.events)
	}
	w.change("s1", typed(true, 100, "default", ada, adaB, adaP)) // Meta delivers it again
	w.change("s2", typed(true, 200, "default", ada))             // and the person repeats it
	w.settle()
	if len(w.messages()) != 1 || len(w.rows(ada)) != 1 || w.entry(adaP, "default", "wa").Out != 200 {
		t.Errorf("after repeats: %d messages, rows %+v", len(w.messages()), w.rows(ada))
	}
}

func TestMessageTimeDecidesAndATieMeansOut(t *testing.T) {
	w := newWorld(t, 3)
	w.change("stop", typed(true, 100, "default", ada))
	w.change("start", typed(false, 150, "default", ada))
	w.settle()
	if w.entry(ada, "default", "wa").Barred() {
		t.Error("START lifts")
	}
	if sent := w.messages(); len(sent) != 2 || sent[1].ID != "c/start" {
		t.Errorf("messages %+v", sent)
	}
	w.change("late", typed(true, 120, "default", ada))
	w.settle()
	if w.entry(ada, "default", "wa").Barred() || len(w.messages()) != 2 {
		t.Error("a STOP older than the START does nothing")
	}
	w.change("tie", typed(true, 150, "default", ada))
	w.settle()
	if rows := w.rows(ada); !w.entry(ada, "default", "wa").Barred() || len(rows) != 3 || rows[2].Prev != 1 {
		t.Errorf("a tie means out: rows %+v", rows)
	}
	w = newWorld(t, 3)
	w.change("start", typed(false, 150, "default", ada))
	w.change("stop", typed(true, 150, "default", ada))
	w.settle()
	if !w.entry(ada, "default", "wa").Barred() {
		t.Error("a tie means out, whichever came first")
	}
}

func TestOptOutsTravelAlongLinksAndOptInsDoNot(t *testing.T) {
	w := newWorld(t, 4)
	w.change("stop", typed(true, 100, "default", ada))
	w.settle()
	w.tie("l1", 110, ada, adaB)
	w.tie("l2", 120, adaB, adaP)
	w.settle()
	for _, id := range []string{adaB, adaP} {
		e := w.entry(id, "default", "wa")
		if rows := w.rows(id); !e.Barred() || e.Source != "message" || e.Message != "m100" || len(rows) != 1 || rows[0].Via == nil {
			t.Errorf("%s: %+v, rows %+v", id, e, rows)
		}
	}
	if len(w.messages()) != 1 {
		t.Errorf("links confirm nothing: %+v", w.messages())
	}
	w.change("start", typed(false, 200, "default", adaB))
	w.settle()
	if w.entry(adaB, "default", "wa").Barred() || !w.entry(ada, "default", "wa").Barred() || !w.entry(adaP, "default", "wa").Barred() {
		t.Error("an opt-in lifts what its message shows and nothing else")
	}
	w.tie("l3", 300, adaB, other)
	w.settle()
	if !w.entry(other, "default", "wa").Barred() {
		t.Error("what is lifted here still travels along a new link: the other never said START")
	}
}

func TestANumberGivenToAStrangerDoesNotOptItsFormerOwnerIn(t *testing.T) {
	w := newWorld(t, 4)
	w.change("stop", typed(true, 100, "default", ada, adaB))
	w.change("start", typed(false, 500, "default", ada, "bsuid:GB.STRANGER"))
	w.settle()
	if !w.entry(adaB, "default", "wa").Barred() || w.entry(ada, "default", "wa").Barred() || w.entry("bsuid:GB.STRANGER", "default", "wa").Barred() {
		t.Error("the stranger's START is the stranger's")
	}
}

func TestAStartThatBringsAnOldOptOutAlongSaysOnlyWhatStartSays(t *testing.T) {
	w := newWorld(t, 4)
	stop := typed(true, 900, "default", ada)
	stop.Confirm = nil
	w.change("api", stop)
	w.settle()
	w.change("start", typed(false, 500, "default", ada, adaB)) // older than the opt-out, and the link is new
	w.settle()
	if !w.entry(adaB, "default", "wa").Barred() || len(w.messages()) != 0 {
		t.Errorf("an opt-in's text never goes out for an opt-out: %+v", w.messages())
	}
}

func TestOneMessageForAllListsThatChanged(t *testing.T) {
	w := newWorld(t, 2)
	c := typed(true, 100, "default", ada)
	for _, text := range []optout.Text{{List: "promo", Body: "No more offers."}, {List: "news", Body: "No more news."}, {List: "silent"}} {
		c.Marks = append(c.Marks, optout.Mark{List: text.List, Channel: "*", At: 100, Source: "message"})
		c.Confirm.Texts = append(c.Confirm.Texts, text)
	}
	before := typed(true, 50, "promo", ada)
	before.Marks[0].Channel, before.Confirm = "*", nil
	w.change("before", before)
	w.change("stop", c)
	w.settle()
	if sent := w.messages(); len(sent) != 1 || body(t, sent[0]) != "text of default\n\nNo more news." {
		t.Errorf("messages %+v", sent)
	}
	if !w.entry(ada, "news", "*").Barred() {
		t.Error("a list of scope all")
	}
}

func TestAnAnswerIsGivenToWhoWaits(t *testing.T) {
	w := newWorld(t, 2)
	c := typed(true, 100, "default", ada)
	c.Answer, c.Confirm = true, nil
	w.change("asked", c)
	w.settle()
	var a shard.Answer
	if err := json.Unmarshal(w.states[w.shards.Of(ref(ada).P)][shard.AnswerKey("asked")], &a); err != nil || !a.OK || a.Made != 1_000_000 {
		t.Errorf("answer %+v, %v", a, err)
	}
}

func TestBadCommandsAreRefusedByTheirKeys(t *testing.T) {
	for kind, bodies := range map[string][]string{
		optout.CommandChange: {`{`, `{}`, `{"who":[{"p":1}],"marks":[]}`, `{"who":[{"p":-1}],"marks":[{"list":"a","channel":"b","at":1}]}`, `{"who":[{"p":1}],"marks":[{"list":"","channel":"b","at":1}]}`},
		optout.CommandLink:   {`[]`, `{"who":[{"p":1},{"p":2}]}`, `{"at":1,"who":[]}`},
		optout.CommandTravel: {`1`, `{"to":{"p":-3}}`, `{"to":{"p":3},"marks":[{"list":"a"}]}`},
	} {
		for _, raw := range bodies {
			if keys, err := optout.Rules()[kind].Keys(shard.Place{Shards: 2}, shard.Command{Kind: kind, Account: "acme", Body: json.RawMessage(raw)}); err == nil {
				t.Errorf("%s %s: keys %v", kind, raw, keys)
			}
		}
	}
}

func TestTwoOptOutsThatOneStopCausesAreTwoEvents(t *testing.T) {
	w := newWorld(t, 4)
	w.change("newer", typed(true, 363, "default", adaB))
	w.settle()
	w.change("stop", typed(true, 318, "default", ada, adaB)) // its link brings the newer one along
	shards := w.shards
	w.step(shards.Of(ref(ada).P), false)
	w.change("start", typed(false, 340, "default", ada))
	w.settle()
	told := map[string]bool{}
	for _, e := range w.events {
		if e.Pseudonym == ref(ada).P {
			told[e.ID] = true
		}
	}
	if rows := w.rows(ada); len(rows) != 3 || rows[0].Root != "stop" || rows[2].Root != "stop" || len(told) != 3 {
		t.Errorf("rows %+v, told %v", rows, told)
	}
}
