//go:build !race

package optout_test

import (
	"testing"

	"optgate/pipeline/optout"
)

// TestAnOrdinaryMessageIsFoldedCheaply guards what every message is asked for: its folded text and the list of forms.
func TestAnOrdinaryMessageIsFoldedCheaply(t *testing.T) {
	texts := []string{"Hello, is the order of yesterday on its way?"}
	if got := testing.AllocsPerRun(100, func() { optout.Candidates(texts) }); got > 2 {
		t.Errorf("%v allocations, at most 2", got)
	}
}
