package main

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestABenchmarksLinesAreRead(t *testing.T) {
	r := &results{Gate: map[string][]float64{}}
	line := fmt.Sprintf("BenchmarkFilter/lists=1/page=50000-%d \t 2\t 497980451 ns/op\t 1.142 of-redis\t 2008111 recipients/s\n", runtime.GOMAXPROCS(0))
	if err := r.readBench("goos: linux\n" + line + strings.Replace(line, "1.142", "1.5", 1) + "PASS\n"); err != nil {
		t.Fatal(err)
	}
	if got := r.median("lists=1/page=50000 of-redis"); got != 1.5 {
		t.Errorf("the median is %v, of %v", got, r.Gate)
	}
	if !strings.Contains(r.markdown(), "| 50000 | 2008111 | 0.50 | 1.50 |") {
		t.Errorf("the table says:\n%s", r.markdown())
	}
	if err := r.readBench("PASS\n"); err == nil {
		t.Error("nothing is taken for a result")
	}
	if err := r.readBench("BenchmarkFilter/x 1 y ns/op\n"); err == nil {
		t.Error("no number is taken for one")
	}
}
