package api_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

func (w *world) why(t *testing.T, token string, query ...string) reply {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	return w.call(t, token, "GET", "/v1/why?"+q.Encode(), "")
}

func TestWhyTellsWhatHoldsAMessageBackAndSince(t *testing.T) {
	w := newWorld(t, nil)
	f := func(token string, query ...string) (e optout.Explanation) {
		t.Helper()
		w.why(t, token, query...).is(200, "").into(&e)
		return e
	}
	if e := f("acme-read", "channel", "wa", "to", " 447700900001"); !e.Allowed { // an unescaped plus
		t.Errorf("a stranger: %+v", e)
	}
	if e := f("acme-read", "channel", "wa", "to", "+447700900001"); !e.Allowed || len(e.History) > 0 {
		t.Errorf("a stranger: %+v", e)
	}
	at := now.Add(-time.Hour)
	w.stop(t, "acme", at.Add(-time.Hour), "phone:447700900001")
	w.say(t, "acme", false, at.Add(-time.Minute), "phone:447700900001")
	w.stop(t, "acme", at, "phone:447700900001")
	e := f("acme-read", "channel", "wa", "to", "07700 900001")
	got := []any{e.Allowed, e.Error, e.List, e.Channel, e.Since, e.Source, e.Rule, len(e.History)}
	want := []any{false, "Optout Number", "default", "wa", &at, "message", "stop", 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(e.History) == 3 && (e.History[0].To != "out" || e.History[1].To != "in" || !e.History[0].At.Equal(at)) {
		t.Errorf("history: %+v", e.History)
	}
	if e := f("acme-read", "channel", "wa", "to", "+447700900001", "category", "utility"); !e.Allowed {
		t.Errorf("utility, no list: %+v", e)
	}
	if e := f("acme-read", "channel", "wa", "to", "+447700900001", "category", "utility", "lists", "news, default,"); e.Allowed {
		t.Errorf("utility, with the list: %+v", e)
	}
	if e := f("acme-read", "channel", "wa", "to", "+447700900001", "category", "utility", "lists", "news"); !e.Allowed {
		t.Errorf("utility, another list: %+v", e)
	}
	if e := f("globex-admin", "channel", "wb", "to", "+447700900001"); !e.Allowed {
		t.Errorf("another account: %+v", e)
	}
	w.stop(t, "acme", at, "bsuid:GB.9021")
	if e := f("acme-read", "channel", "wa", "to", "GB.9021"); e.Allowed {
		t.Errorf("a BSUID: %+v", e)
	}
}

func TestWhyNamesEachWrongField(t *testing.T) {
	w := newWorld(t, nil)
	f := func(want []string, query ...string) {
		t.Helper()
		r := w.why(t, "acme-read", query...)
		if diff := cmp.Diff(want, r.fields()); diff != "" || r.status != 422 {
			t.Errorf("%v: %d %s", query, r.status, diff)
		}
	}
	f([]string{"channel unknown_channel"}, "channel", "wb", "to", "+447700900001")
	f([]string{"channel required", "to invalid_number"})
	f([]string{"to invalid_number", "category unknown_category", "lists unknown_list"},
		"channel", "wa", "to", "x", "category", "spam", "lists", "default,none")
}

func TestWhyIsNotCertainWhereTheGateIsNot(t *testing.T) {
	w := newWorld(t, nil)
	w.failed = fault.Wrap(errors.New("no lease"), fault.NotCertain, "not_certain", "Nobody can know just now.")
	w.why(t, "acme-read", "channel", "wa", "to", "+447700900001").is(503, "not_certain")
}

func TestWhyNamesTheLinkAndTheSentenceOfReports(t *testing.T) {
	w := newWorld(t, nil)
	w.tie(t, "phone:447700900001", "bsuid:GB.9021")
	w.stop(t, "acme", now.Add(time.Hour), "bsuid:GB.9021")
	var e optout.Explanation
	w.why(t, "acme-read", "channel", "wa", "to", "+447700900001").is(200, "").into(&e)
	if e.Link == nil || e.Link.To == nil || *e.Link.To != "GB.9021" || e.Link.By != "webhook" || !e.Link.Since.Equal(now) || e.Name != "Default" {
		t.Errorf("%+v", e)
	}
	want := `On the list Default for channel wa since 2026-11-22 13:00:00 UTC, by the word "stop", under another number or id of the person, ` +
		"linked since 2026-11-22 12:00:00 UTC by webhook."
	if e.Reason != want {
		t.Errorf("%s", e.Reason)
	}
	e = optout.Explanation{}
	if w.why(t, "acme-read", "channel", "wa", "to", "GB.9021").is(200, "").into(&e); e.Allowed || e.Link != nil {
		t.Errorf("%+v", e)
	}
	w.call(t, "acme-lists", "POST", "/v1/optout-lists/default/entries", `{"email":"ada@example.com","channel":"*"}`).is(201, "")
	if w.why(t, "acme-read", "email", "ada@EXAMPLE.com").is(200, "").into(&e); e.Allowed || e.Channel != "*" || e.Source != "api" {
		t.Errorf("%+v", e)
	}
	if w.why(t, "acme-read", "email", "ada@example.com", "to", "GB.1", "channel", "wa").fields()[0] != "email one_of" {
		t.Error("both are taken")
	}
}

// The state may be ahead of the gate, or behind it: then nobody can say why.
func TestWhySaysNothingThatTheGateDoesNot(t *testing.T) {
	d := newDesk(t)
	d.verdict = gate.Answer{Verdict: gate.Skip, List: "default", Channel: "wa"}
	d.why(t, "acme-read", "channel", "wa", "to", "+447700900001").is(503, "not_certain")
	d.verdict = gate.Answer{}
	d.why(t, "acme-read", "channel", "wa", "to", "+447700900001").is(503, "not_certain")
	d.verdict = gate.Answer{Verdict: gate.Go}
	d.why(t, "acme-read", "channel", "wa", "to", "+447700900001").is(200, "")
}
