//go:build !race

package ingress_test

import (
	"strings"
	"testing"
)

// TestWebhookAllocates guards what the benchmark measures: what is left for one message is the test's own reader of the body.
func TestWebhookAllocates(t *testing.T) {
	item := greeting[strings.Index(greeting, `{"from"`) : len(greeting)-len(`]}}]}]}`)]
	batch := strings.Replace(greeting, item, strings.Repeat(item+",", 99)+item, 1)
	for name, f := range map[string]struct {
		body string
		most float64
	}{
		"one message":    {greeting, 1},
		"a hundred":      {batch, 2000},
		"no JSON at all": {"STOP", 12}, // it is looked through for messages
	} {
		if n := testing.AllocsPerRun(100, delivery(t, f.body)); n > f.most {
			t.Errorf("%s: %v allocations, at most %v", name, n, f.most)
		}
	}
}
