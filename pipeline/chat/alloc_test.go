//go:build !race

package chat_test

import (
	"testing"

	"optgate/pipeline/chat"
)

// TestWhatEveryItemAsksStaysCheap guards what is done several times for each item of a webhook.
func TestWhatEveryItemAsksStaysCheap(t *testing.T) {
	h := chat.Key("0123456789abcdef").Hasher()
	for name, c := range map[string]struct {
		most float64
		do   func()
	}{
		"pseudonym":    {0, func() { h.Pseudonym("phone:447700900001") }},
		"message":      {1, func() { h.Message("wamid.SFh0ZXN0LTAwMDAwMS1jb21wb3NlZC1ieS1oYW5k") }},
		"phone, shown": {2, func() { _, _ = chat.Phone("447700900001", "") }},
		"BSUID":        {1, func() { _, _ = chat.BSUID("GB.90210000000000000101") }},
	} {
		if got := testing.AllocsPerRun(100, c.do); got > c.most {
			t.Errorf("%s: %v allocations, at most %v", name, got, c.most)
		}
	}
}
