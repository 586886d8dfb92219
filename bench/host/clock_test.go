package host

import (
	"os"
	"testing"
	"time"
)

func TestProcessorTimeIsReadWhateverAProcessIsCalled(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7 (go) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 100":               3 * time.Second,
		"7 (a) R (b c) S 1 7 7 0 -1 4194304 100 0 0 0 1 2 99 99 20 0 9 0 100 0 0 0 0": 30 * time.Millisecond,
	} {
		if got, err := parseStat([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7 (go) S 1", "7 (go) S 1 7 7 0 -1 4194304 100 0 0 0 x 50 0 0 20"} {
		if _, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	own, err := ProcessorTime(os.Getpid())
	if err != nil || own > OwnTime()+time.Second {
		t.Errorf("our own: %v, %v; by rusage %v", own, err, OwnTime())
	}
}

func TestForeignLoadIsWhatIsNeitherOursNorIdle(t *testing.T) {
	busy, err := parseBusy([]byte("cpu  100 10 50 9999 888 4 6 30 77 0\ncpu0 1 1 1"))
	if err != nil || busy != 2*time.Second {
		t.Errorf("%v, %v", busy, err)
	}
	if _, err := parseBusy([]byte("intr 1 2 3 4 5 6 7 8 9")); err == nil {
		t.Error("no error")
	}
	now := time.Now()
	before := Clock{At: now}
	after := Clock{At: now.Add(time.Second), busy: 900 * time.Millisecond, own: 300 * time.Millisecond, all: 500 * time.Millisecond}
	one := Clock{At: after.At, busy: after.busy - 100*time.Millisecond, own: after.own, all: after.all}
	if more, less := after.Foreign(before), one.Foreign(before); less != 0 || more <= 0 || more > 0.1 {
		t.Errorf("%v and %v", more, less)
	}
}
