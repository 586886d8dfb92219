package main

import (
	"slices"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// soundEvidence is of a demo in which all went well: a opted out before the broadcast, b while it ran, c never.
func soundEvidence() evidence {
	return evidence{
		acknowledged: map[string]bool{"wamid.1": true, "wamid.2": true},
		kept:         map[string]bool{"wamid.1": true, "wamid.2": true, "wamid.more": true},
		people:       []string{"a", "b", "c"},
		barred:       map[string]bool{"a": true},
		typed:        map[string]bool{"a": true},
		late:         map[string]bool{"b": true},
		calls: []call{
			{person: "a", confirmation: true}, {person: "b"}, {person: "c"}, {person: "b", confirmation: true},
		},
		report: []reportRow{
			{To: "+a", Status: chat.Skipped, Error: gate.SkipReason}, {To: "+b", Status: chat.Sent}, {To: "+c", Status: chat.Unknown},
		},
		finished: true, told: 2, known: 2,
	}
}

func TestTheDemoCanFail(t *testing.T) {
	if p := soundEvidence().judge(); slices.ContainsFunc(p, func(p promise) bool { return !p.held }) {
		t.Fatalf("sound evidence is called broken: %v", p)
	}
	for name, spoil := range map[string]func(*evidence){
		"a message is lost":           func(e *evidence) { delete(e.kept, "wamid.2") },
		"nothing was delivered":       func(e *evidence) { e.acknowledged = nil },
		"a confirmation is missing":   func(e *evidence) { e.calls = e.calls[1:] },
		"a confirmation comes twice":  func(e *evidence) { e.calls = append(e.calls, call{person: "a", confirmation: true}) },
		"a confirmation for nobody":   func(e *evidence) { e.calls = append(e.calls, call{person: "c", confirmation: true}) },
		"a row is missing":            func(e *evidence) { e.report = e.report[:2] },
		"an opted-out row is sent":    func(e *evidence) { e.report[0] = reportRow{To: "+a", Status: chat.Sent} },
		"another reason to skip":      func(e *evidence) { e.report[0].Error = "Invalid Number" },
		"somebody else is skipped":    func(e *evidence) { e.report[2] = reportRow{To: "+c", Status: chat.Skipped, Error: gate.SkipReason} },
		"an opted-out person is sent": func(e *evidence) { e.calls = append(e.calls, call{person: "a"}) },
		"a call after a confirmation": func(e *evidence) { e.calls[1], e.calls[3] = e.calls[3], e.calls[1] },
		"somebody is called twice":    func(e *evidence) { e.calls = append(e.calls, call{person: "c"}) },
		"it never ends":               func(e *evidence) { e.finished = false },
		"something comes too late":    func(e *evidence) { e.complaints = 1 },
		"a receipt finds no row":      func(e *evidence) { e.known = 1 },
		"too many are Unknown": func(e *evidence) {
			e.report = slices.Repeat([]reportRow{{To: "+c", Status: chat.Unknown}}, callsAtOnce+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := soundEvidence()
			spoil(&e)
			promises := e.judge()
			if !slices.ContainsFunc(promises, func(p promise) bool { return !p.held }) {
				t.Errorf("nothing is called broken: %v", promises)
			}
		})
	}
}

func TestTheCrowdIsWhatTheDemoSaysItIs(t *testing.T) {
	c := newCrowd()
	if len(c.barred) != talkative/stopEvery+1 || len(c.typed) != len(c.barred)-switchOff || len(c.late) != lateStops {
		t.Errorf("%d opt out, %d of them by words, %d late", len(c.barred), len(c.typed), len(c.late))
	}
	seen := map[string]bool{}
	for _, w := range slices.Concat(c.sends, c.lateOut) {
		for _, id := range w.ids {
			if seen[id] {
				t.Errorf("two messages have the id %s", id)
			}
			if !anyID.MatchString(id) || anyID.FindString(`"`+id+`"`) != id {
				t.Errorf("the id %s would not be found again", id)
			}
			seen[id] = true
		}
	}
	for phone := range c.late {
		if c.barred[phone] {
			t.Errorf("somebody opts out twice")
		}
	}
	if len(c.phoneOf) == 0 || time.Since(c.clock) < 0 {
		t.Errorf("nobody shows a BSUID, or messages come from the future")
	}
}
