//go:build !race

package httpd_test

import "testing"

// TestARequestAllocatesNothing guards what BenchmarkServer measures: with its client, nothing is allocated for a request.
func TestARequestAllocatesNothing(t *testing.T) {
	c, request := dialed(t, ours(t)), []byte(webhook(1<<10))
	n := testing.AllocsPerRun(500, func() {
		if status := c.ask(t, request); status != 200 {
			t.Error(status)
		}
	})
	if n > 1 {
		t.Errorf("%.1f allocations for a request", n)
	}
}
