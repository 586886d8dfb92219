//go:build !race

package meta_test

import (
	"testing"

	"optgate/gateway/meta"
)

// TestAllocations guards what a webhook costs here: the race detector's own allocations would drown it.
func TestAllocations(t *testing.T) {
	text, batch := read(t, "testdata/payloads/text.json"), read(t, "testdata/payloads/batch_100_messages.json")
	verifier := meta.NewVerifier([][]byte{[]byte("current"), []byte("previous")})
	header := []byte(meta.Sign([]byte("previous"), text))
	var items []meta.Item
	split := func(body []byte) func() {
		return func() {
			var err error
			if items, err = meta.AppendItems(items[:0], body); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, f := range map[string]struct {
		most float64
		do   func()
	}{
		"the usual webhook is split": {0, split(text)},
		"a batch of 100 is split":    {1800, split(batch)},
		"a message is understood": {43, func() {
			if _, err := meta.Decode(text); err != nil {
				t.Fatal(err)
			}
		}},
		"a signature is verified":      {0, func() { verifier.Verify(header, text) }},
		"a header is looked at before": {0, func() { meta.WellFormed(header) }},
	} {
		if n := testing.AllocsPerRun(100, f.do); n > f.most {
			t.Errorf("%s: %v allocations, at most %v", name, n, f.most)
		}
	}
}
