package app

import (
	"testing"
	"time"
)

func TestStalledMeansThatNothingIsWorkedOff(t *testing.T) {
	start := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	f := func(name string, stalled bool, story func(p *progress)) {
		t.Helper()
		p := &progress{}
		p.Stalled(start)
		story(p)
		if got := p.Stalled(at(60)); got != stalled {
			t.Errorf("%s: stalled is %v", name, got)
		}
	}
	each := func(p *progress, oldest func(s int) time.Time) {
		for s := range 61 {
			p.Asked(at(s), oldest(s))
		}
	}
	keep := func(p *progress, s int) { p.kept.Store(at(s).UnixMilli()) }

	f("nothing comes and nothing is left", false, func(p *progress) {
		each(p, func(int) time.Time { return time.Time{} })
	})
	f("a group without members", true, func(p *progress) {
		each(p, func(int) time.Time { return at(-5) })
	})
	f("one partition fails again and again, while the others go on", true, func(p *progress) {
		each(p, func(s int) time.Time { return at(min(s-20, 10)) })
	})
	f("behind by far, and catching up", false, func(p *progress) {
		each(p, func(s int) time.Time { return at(-600 + 5*s) })
	})
	f("an item has waited for 20 s", false, func(p *progress) {
		each(p, func(s int) time.Time { return at(min(s, 40)) })
	})
	f("Kafka is away for both", false, func(p *progress) {
		p.Asked(at(1), time.Time{})
		keep(p, 2)
	})
	f("Kafka keeps webhooks and can't say what was handled", true, func(p *progress) {
		p.Asked(at(1), time.Time{})
		keep(p, 59)
	})
	f("Kafka has never said what was handled", true, func(p *progress) {
		keep(p, 59)
	})
}
