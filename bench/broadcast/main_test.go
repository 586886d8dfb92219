package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

func TestTheFileHoldsEachRecipientOnce(t *testing.T) {
	file, size := csv(10, 3, "to,name", "Ada N")
	text, err := io.ReadAll(file)
	if want := "to,name\n+447700000000,Ada 0\n+447700000003,Ada 3\n+447700000006,Ada 6\n+447700000009,Ada 9\n"; err != nil || string(text) != want || *size != len(want) {
		t.Errorf("%q, %d, %v", text, *size, err)
	}
	seen := map[string]bool{}
	for n := range 1000 {
		seen[phone(n*1009)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d numbers of 1000", len(seen))
	}
}

func TestACallIsToldToWhoeverWaitsForIt(t *testing.T) {
	c, at := newCalls(), time.Now()
	called := c.expect("447800000001")
	c.note(fake.Send{Person: "447800000002"})
	c.note(fake.Send{Person: "447800000001", At: at})
	c.note(fake.Send{Person: "447800000001", At: at.Add(time.Hour)})
	if got, err := called(t.Context()); err != nil || !got.Equal(at) || c.count.Load() != 3 {
		t.Errorf("%v, %v after %d calls", got, err, c.count.Load())
	}
}

func TestTheTableShowsEachRun(t *testing.T) {
	var took []time.Duration
	for n := range 100 {
		took = append(took, time.Duration(100-n)*time.Millisecond)
	}
	single := spread(took)
	if single != [3]float64{51, 100, 100} {
		t.Errorf("%v", single)
	}
	r := results{People: 10, Plan: planned{Lists: 3, Upload: 1.5, Dry: 2, OfRedis: 0.25}, Runs: []ran{{Against: "3 lists", Sent: 8, Skipped: 2, Seconds: 4}},
		Replies: []replied{{While: "nothing else", Single: single, Sent: 7}}}
	for _, want := range []string{"| 1.5 | 2.0 | 5 | 0.25 |", "| 3 lists | 8 | 2 | 4.0 | 2 | 2 |", "| nothing else | 51.0 | 100.0 | 100.0 |"} {
		if text := r.markdown(); !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
}
