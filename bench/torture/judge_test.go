package main

import (
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const phone, bsuid = "phone:447700900001", "bsuid:GB.1"

// whole is the evidence of a round in which everything went well: somebody opts out, a linked identifier follows, a
// broadcast skips the one and reaches another.
func whole() evidence {
	stop := heard{saying{key: "wamid.stop", who: []string{phone}, list: "default", out: true, atMilli: noon.UnixMilli()}, noon, noon}
	link := heard{saying{key: "wamid.text", who: []string{phone, bsuid}, atMilli: noon.UnixMilli()}, noon, noon}
	e := evidence{
		said:    []heard{stop, link},
		inbound: map[string]int{"wamid.stop": 2, "wamid.text": 1},
		events: map[string][]telling{
			"wamid.stop": {{"e1", "out"}, {"e1", "out"}}, "wamid.text": {{"e2", ""}},
		},
		dead: []letter{{"inbound/0/1", "unreadable", true}},
		rows: []ledgerRow{
			{partition: 0, offset: 5, cause: "7.0", Pseudonym: 11, List: "default", Channel: "wa", From: "in", To: "out", Root: "r1", Message: "m1", Prev: -1},
			{partition: 1, offset: 3, cause: "2.0", Pseudonym: 12, List: "default", Channel: "wa", From: "in", To: "out", Root: "r2", Message: "m1", Prev: -1},
		},
		changes:   map[string]change{"r1": confirmed(11)},
		settled:   map[string][]string{"c/r1": {"Sent"}},
		standing:  map[string]map[string]int64{"default": {phone: noon.UnixMilli(), bsuid: noon.UnixMilli()}},
		sightings: []sighting{{who: phone, since: noon.UnixMilli(), from: noon.Add(time.Second)}},
		calls: []call{
			{noon.Add(time.Second), phone, "b1.1", "b1"},
			{noon.Add(3 * time.Second), phone, "c/r1", ""},
			{noon.Add(3 * time.Second), "phone:447700900002", "b2.2", "b2"},
		},
		campaigns: []campaign{
			{ID: "b1", Status: "finished", Audience: 1, Totals: map[string]int{"audience": 1, "read": 1}, Rows: []reportRow{{To: "+447700900001", Status: "Read"}}},
			{ID: "b2", Status: "finished", Audience: 2, Totals: map[string]int{"audience": 2, "skipped": 1, "sent": 1}, Rows: []reportRow{
				{To: "+447700900001", Status: "Skipped"}, {To: "+447700900002", Status: "Sent"},
			}},
		},
	}
	return e
}

func confirmed(p int64) (c change) {
	c.Out = true
	c.Who = append(c.Who, struct {
		P int64 `json:"p"`
	}{p})
	c.Confirm = &struct {
		Texts []struct {
			List string `json:"list"`
			Body string `json:"body"`
		} `json:"texts"`
	}{}
	c.Confirm.Texts = append(c.Confirm.Texts, struct {
		List string `json:"list"`
		Body string `json:"body"`
	}{"default", "You will get no more messages from us."})
	return c
}

func TestGoodEvidenceIsFoundGood(t *testing.T) {
	e := whole()
	if a := e.judge(); len(a.findings) > 0 {
		t.Errorf("%+v", a.findings)
	}
}

func TestEachBrokenPromiseIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		spoil   func(*evidence)
		promise string
	}{
		"a lost message":                 {func(e *evidence) { delete(e.inbound, "wamid.text") }, promiseKept},
		"a message without an event":     {func(e *evidence) { delete(e.events, "wamid.text") }, promiseExplained},
		"events of two ids":              {func(e *evidence) { e.events["wamid.stop"][1].id = "e9" }, promiseExplained},
		"a stop that nobody understood":  {func(e *evidence) { e.events["wamid.stop"] = []telling{{"e1", ""}} }, promiseExplained},
		"a message among the dead":       {func(e *evidence) { e.dead[0].garbage = false }, promiseExplained},
		"a message never taken":          {func(e *evidence) { e.said[1].acked = time.Time{} }, promiseRecovery},
		"a lost opt-out":                 {func(e *evidence) { delete(e.standing["default"], phone) }, promiseStanding},
		"an opt-out that didn't travel":  {func(e *evidence) { delete(e.standing["default"], bsuid) }, promiseStanding},
		"an opt-out that nobody said":    {func(e *evidence) { e.standing["default"]["phone:447700900009"] = 1 }, promiseStanding},
		"an opt-out of another time":     {func(e *evidence) { e.standing["default"][phone]++ }, promiseStanding},
		"lists that aren't the ledger's": {func(e *evidence) { e.rows = e.rows[:1] }, promiseStanding},
		"a doubled row":                  {func(e *evidence) { e.rows = append(e.rows, e.rows[1]); e.rows[2].offset++ }, promiseOnce},
		"a change twice by one message":  {func(e *evidence) { e.rows = append(e.rows, e.rows[0]); e.rows[2].offset, e.rows[2].cause = 9, "9.0" }, promiseOnce},
		"a broken chain":                 {func(e *evidence) { e.rows[1].Prev = 2 }, promiseOnce},
		"a doubled confirmation":         {func(e *evidence) { e.calls = append(e.calls, e.calls[1]) }, promiseOnce},
		"a missing confirmation":         {func(e *evidence) { e.calls = append(e.calls[:1:1], e.calls[2]); e.settled = nil }, promiseOnce},
		"a confirmation of nothing":      {func(e *evidence) { e.changes = nil }, promiseOnce},
		"a doubled message":              {func(e *evidence) { e.calls = append(e.calls, e.calls[2]) }, promiseOnce},
		"a call long after an opt-out":   {func(e *evidence) { e.calls[0].at = noon.Add(1251 * time.Millisecond) }, promiseSilence},
		"a call to who was skipped":      {func(e *evidence) { e.campaigns[1].Rows[1].Status = "Skipped" }, promiseReport},
		"a report of a call never made":  {func(e *evidence) { e.campaigns[1].Rows[0].Status = "Sent" }, promiseReport},
		"a row that nobody cancelled":    {func(e *evidence) { e.campaigns[1].Rows[0].Status = "Cancelled" }, promiseReport},
		"a cancelled call":               {func(e *evidence) { e.campaigns[1].Cancel = true; e.campaigns[1].Rows[1].Status = "Cancelled" }, promiseReport},
		"a report that doesn't add up":   {func(e *evidence) { e.campaigns[1].Totals["sent"] = 2 }, promiseReport},
		"calls of nobody's broadcast": {func(e *evidence) {
			e.calls[0].broadcast = "b9"
			e.campaigns[0] = unknownRows(1)
			e.troubles = []incident{{}}
		}, promiseReport},
		"a broadcast that doesn't finish": {func(e *evidence) { e.campaigns[1].Status = "running" }, promiseReport},
		"a process that ended":            {func(e *evidence) { e.deaths = []string{"sender1 ended by itself"} }, promiseRecovery},
		"a trouble that doesn't end":      {func(e *evidence) { e.troubles = []incident{{err: t.Context().Err()}, {err: errStuck{}}} }, promiseRecovery},
		"too many unknown":                {func(e *evidence) { e.campaigns[0] = unknownRows(1) }, promiseOnce},
		"a leak":                          {func(e *evidence) { e.leaks = []string{"the log holds something"} }, promisePrivacy},
	} {
		e := whole()
		c.spoil(&e)
		found := e.judge().findings
		ok := false
		for _, f := range found {
			ok = ok || f.promise == c.promise
			if strings.Contains(f.text, "4477") || strings.Contains(f.text, "wamid") || strings.Contains(f.text, "GB.") {
				t.Errorf("%s: the finding names somebody: %s", name, f.text)
			}
		}
		if !ok {
			t.Errorf("%s: found %+v", name, found)
		}
	}
}

type errStuck struct{}

func (errStuck) Error() string { return "not ready" }

func unknownRows(n int) campaign {
	c := campaign{ID: "b1", Status: "finished", Audience: n, Totals: map[string]int{"audience": n, "unknown": n}}
	for range n {
		c.Rows = append(c.Rows, reportRow{To: "+447700900001", Status: "Unknown"})
	}
	return c
}

func TestWhatIsNoFinding(t *testing.T) {
	for name, excuse := range map[string]func(*evidence){
		"a call within 250 ms": func(e *evidence) { e.calls[0].at = noon.Add(1249 * time.Millisecond) },
		"a call while this process was late": func(e *evidence) {
			e.calls[0].at = noon.Add(2 * time.Second)
			e.lags = []lag{{noon.Add(1900 * time.Millisecond), time.Second}}
		},
		"a call after the entry was gone": func(e *evidence) {
			e.sightings[0].until = noon.Add(2 * time.Second)
			e.calls[0].at = noon.Add(2 * time.Second)
		},
		"a confirmation in flight at a kill": func(e *evidence) {
			e.calls = append(e.calls[:1:1], e.calls[2])
			e.settled["c/r1"] = []string{"Unknown"}
			e.troubles = []incident{{}}
		},
		"a call of which nobody knows the end": func(e *evidence) { e.campaigns[0] = unknownRows(1); e.troubles = []incident{{}} },
		"a call after a later start": func(e *evidence) {
			e.calls[0].at = noon.Add(5 * time.Second)
			start := heard{saying{key: "wamid.start", who: []string{phone}, list: "default", atMilli: noon.Add(time.Second).UnixMilli()}, noon.Add(2 * time.Second), noon.Add(2 * time.Second)}
			e.said = append(e.said, start)
			e.inbound["wamid.start"], e.events["wamid.start"] = 1, []telling{{"e3", "in"}}
			delete(e.standing["default"], phone)
			e.rows = append(e.rows, ledgerRow{partition: 0, offset: 9, cause: "9.0", Pseudonym: 11, List: "default", Channel: "wa", From: "out", To: "in", Root: "r3", Prev: 5})
		},
	} {
		e := whole()
		excuse(&e)
		if found := e.judge().findings; len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestStandingFollowsTimesAndLinks(t *testing.T) {
	at := func(who string, out bool, second int64) heard {
		return heard{saying: saying{who: strings.Fields(who), list: "default", out: out, atMilli: second * 1000}}
	}
	for name, c := range map[string]struct {
		said []heard
		want string
	}{
		"a stop":                              {[]heard{at("a", true, 5)}, "a"},
		"a later start":                       {[]heard{at("a", false, 6), at("a", true, 5)}, ""},
		"an earlier start":                    {[]heard{at("a", true, 5), at("a", false, 4)}, "a"},
		"a tie":                               {[]heard{at("a", true, 5), at("a", false, 5)}, "a"},
		"a stop reaches all that is linked":   {[]heard{at("a", true, 5), at("b c", true, 1), at("a b", true, 2)}, "a b c"},
		"a start lifts only what it shows":    {[]heard{at("a b", true, 5), at("a", false, 6)}, "b"},
		"a stop elsewhere beats an old start": {[]heard{at("a b", true, 5), at("a", false, 6), at("b", true, 7)}, "a b"},
		"a stop of a stranger":                {[]heard{at("a", true, 5), at("b", false, 1)}, "a"},
	} {
		got := standing(c.said)["default"]
		if len(got) != len(strings.Fields(c.want)) {
			t.Errorf("%s: %v", name, got)
		}
		for who := range strings.FieldsSeq(c.want) {
			if got[who] == 0 {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
}
