package chat_test

import (
	"testing"
	"time"

	"optgate/pipeline/chat"
)

func TestQuietHoursEndByTheRecipientsClock(t *testing.T) {
	var clocks chat.Clocks
	f := func(to chat.Identifier, country string, q chat.Quiet, now, want string) {
		t.Helper()
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		got := q.Opens(clocks.For(q, to, country), at).UTC().Format(time.RFC3339)
		if got != want {
			t.Errorf("%s at %s: opens %s, want %s", to, now, got, want)
		}
	}
	night := chat.Quiet{From: 21 * 60, To: 8 * 60}
	noon := chat.Quiet{From: 12 * 60, To: 13*60 + 30}
	london, sydney := chat.Identifier("phone:447700900101"), chat.Identifier("phone:61291234567")

	f(london, "", night, "2026-01-10T12:00:00Z", "2026-01-10T12:00:00Z")
	f(london, "", night, "2026-01-10T20:59:59Z", "2026-01-10T20:59:59Z")
	f(london, "", night, "2026-01-10T21:00:00Z", "2026-01-11T08:00:00Z")
	f(london, "", night, "2026-01-11T07:59:59Z", "2026-01-11T08:00:00Z")
	f(london, "", noon, "2026-01-10T12:10:00Z", "2026-01-10T13:30:00Z")
	f(sydney, "", night, "2026-01-10T12:00:00Z", "2026-01-10T21:00:00Z") // 23:00 there

	// clocks are put forward in the night to 29 March 2026, and back in the night to 25 October
	f(london, "", night, "2026-03-28T22:00:00Z", "2026-03-29T07:00:00Z")
	f(london, "", night, "2026-10-24T20:00:00Z", "2026-10-25T08:00:00Z")
	gap := chat.Quiet{From: 0, To: 90}
	f(london, "", gap, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z") // 01:30 never comes: 02:00 does

	// a zone of the broadcast's own counts for everybody
	f(sydney, "", chat.Quiet{From: night.From, To: night.To, Zone: "Europe/Berlin"}, "2026-01-10T12:00:00Z", "2026-01-10T12:00:00Z")
	f(sydney, "", chat.Quiet{From: night.From, To: night.To, Zone: "Europe/Berlin"}, "2026-01-10T21:00:00Z", "2026-01-11T07:00:00Z")

	// several zones: quiet in any of them
	f("phone:18005550100", "", night, "2026-01-10T12:00:00Z", "2026-01-10T22:00:00Z") // 8 in Guam
	f("bsuid:US.1", "GB", night, "2026-01-10T12:00:00Z", "2026-01-10T22:00:00Z")

	// nothing tells the zone but the channel, or nobody
	f("psid:1/2", "GB", night, "2026-07-10T21:30:00Z", "2026-07-11T07:00:00Z")
	f("psid:1/2", "", night, "2026-07-10T21:30:00Z", "2026-07-11T08:00:00Z")
	f("phone:999", "", night, "2026-07-10T21:30:00Z", "2026-07-11T08:00:00Z")

	// zones so far apart that no hour suits them all
	long := chat.Quiet{From: 12 * 60, To: 11 * 60}
	f("bsuid:RU.1", "", long, "2026-01-10T12:00:00Z", "2026-01-11T04:00:00Z")
	f(london, "", chat.Quiet{From: 600, To: 600}, "2026-01-10T10:00:00Z", "2026-01-10T10:00:00Z")
}

func TestAZoneIsOneOfIANAs(t *testing.T) {
	var clocks chat.Clocks
	for name, ok := range map[string]bool{"Europe/London": true, "UTC": true, "": false, "Local": false, "Europe/Nowhere": false, "../etc/passwd": false} {
		if _, err := clocks.Zone(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzOpensIsNeverQuiet(f *testing.F) {
	f.Add("447700900101", 1260, 480, int64(1_790_000_000))
	f.Fuzz(func(t *testing.T, phone string, from, to int, at int64) {
		q := chat.Quiet{From: ((from % 1440) + 1440) % 1440, To: ((to % 1440) + 1440) % 1440}
		var clocks chat.Clocks
		now := time.Unix(((at%4_000_000_000)+4_000_000_000)%4_000_000_000, 0)
		opens := q.Opens(clocks.Of(chat.Identifier("phone:"+phone), "GB"), now)
		if opens.Before(now) || opens.Sub(now) > 50*time.Hour {
			t.Errorf("%+v at %v opens at %v", q, now, opens)
		}
	})
}
