//go:build !race

package shard_test

import "testing"

// What a STOP costs its owner, from the first byte read to the last written, is part of what the program promises. Under
// the race detector other numbers hold.
func TestACommandCostsNoMoreMemoryThanToday(t *testing.T) {
	const most = 98
	if n := testing.Benchmark(BenchmarkOwner).AllocsPerOp(); n > most {
		t.Errorf("%d allocations for each command, at most %d", n, most)
	}
}
