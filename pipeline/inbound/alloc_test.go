//go:build !race

package inbound_test

import "testing"

// TestAnItemIsHandledCheaply guards what an item of an ordinary day costs in a batch, decoding included: most of it is what
// Kafka is given. Each STOP costs several times as much.
func TestAnItemIsHandledCheaply(t *testing.T) {
	const items, most = 500, 60
	d := newQuietDesk(t)
	batch := d.day(items, 100)
	d.handle(batch...) // ties are known from here on
	got := testing.AllocsPerRun(10, func() { d.handle(batch...) })
	if got/items > most {
		t.Errorf("%.1f allocations an item, at most %d", got/items, most)
	}
}
