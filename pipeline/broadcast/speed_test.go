package broadcast

import (
	"testing"
	"time"
)

func TestCreditFollowsWhatTheLanesAnswer(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var s speed
	after := func(answers, want int) {
		t.Helper()
		s.answers += answers
		now = now.Add(time.Second)
		if got := s.credit(now); got != want {
			t.Errorf("%d messages, want %d", got, want)
		}
	}
	if got := s.credit(now); got != leastCredit {
		t.Errorf("%d messages at the beginning", got)
	}
	after(5, leastCredit) // Meta is slow
	after(1000, 30_000)
	after(0, 15_000) // a moment's silence
	after(600, 18_000)
	after(0, 9_000)
	for range 10 {
		s.credit(now.Add(time.Second))
		now = now.Add(time.Second)
	}
	after(0, leastCredit)
}
