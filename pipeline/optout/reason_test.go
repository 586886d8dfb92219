package optout_test

import (
	"testing"
	"time"

	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

func TestAReasonIsOneSentenceThatNamesNobody(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.FixedZone("", 3600))
	f := func(want, list, channel string, c *gate.Cause) {
		t.Helper()
		if got := optout.Reason(gate.Answer{Verdict: gate.Skip, List: list, Channel: channel, Cause: c}); got != want {
			t.Errorf("%s", got)
		}
	}
	f("On the list news for channel wa.", "news", "wa", nil)
	f("On the list news for all channels.", "news", "*", nil)
	f(`On the list Our news for channel wa since 2026-11-22 11:00:00 UTC, by the word "stop".`, "news", "wa",
		&gate.Cause{Name: "Our news", Since: at, Source: "message", Rule: "stop"})
	f(`On the list Default for all channels since 2026-11-22 11:00:00 UTC, by the word "stop" in a message that could not be decoded.`, "default", "*",
		&gate.Cause{Name: "Default", Since: at, Source: "salvage", Rule: "stop"})
	f("On the list Meta for channel wa since 2026-11-22 11:00:00 UTC, told by Meta's error 131050.", "meta", "wa",
		&gate.Cause{Name: "Meta", Since: at, Source: "meta", Rule: "131050"})
	f("On the list Meta for channel wa since 2026-11-22 11:00:00 UTC, by the switch inside WhatsApp.", "meta", "wa",
		&gate.Cause{Name: "Meta", Since: at, Source: "meta", Rule: "user_preferences"})
	for source, words := range map[string]string{"api": "by API", "import": "by an import", "link": "by an unsubscribe link", "connector": "by connector"} {
		f("On the list x for channel wa since 2026-11-22 11:00:00 UTC, "+words+".", "x", "wa", &gate.Cause{Since: at, Source: source})
	}
	f("On the list x for channel wa since 2026-11-22 11:00:00 UTC, by API, under another number or id of the person, "+
		"linked since 2026-11-22 11:00:00 UTC by webhook.", "x", "wa",
		&gate.Cause{Since: at, Source: "api", Link: &gate.Link{From: 1, Since: at, By: "webhook"}})
	f("On the list x for channel wa since 2026-11-22 11:00:00 UTC, by API, under another number or id of the person.", "x", "wa",
		&gate.Cause{Since: at, Source: "api", Link: &gate.Link{From: 1}})
}

func TestACauseNamesTheLinkByWhichItCame(t *testing.T) {
	w := newWorld(t, 2)
	w.tie("tie", 500, ada, adaB)
	w.change("stop", typed(true, 1_000, "default", ada))
	w.settle()
	c := w.person(adaB).Cause("default", "wa", "Default")
	if c == nil || c.Link == nil || c.Link.From != ref(ada).P || c.Link.By != "webhook" || !c.Link.Since.Equal(time.UnixMilli(500)) {
		t.Fatalf("%+v", c)
	}
	if c := w.person(ada).Cause("default", "wa", "Default"); c == nil || c.Link != nil || c.Rule != "word" || !c.Since.Equal(time.UnixMilli(1_000)) {
		t.Errorf("%+v", c)
	}
	if c := w.person(ada).Cause("default", "*", "Default"); c != nil {
		t.Errorf("what doesn't bar has a cause: %+v", c)
	}
}
