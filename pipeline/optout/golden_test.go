package optout_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"optgate/pipeline/optout"
)

var update = flag.Bool("update", false, "write golden files")

// TestFormatsStayAsTheyAre holds the formats that can't change after a release: commands, states, ledger rows, pseudonyms
// and what goes out. A difference is a mistake unless a reader of the old form stands beside it.
func TestFormatsStayAsTheyAre(t *testing.T) {
	w := newWorld(t, 2)
	w.change("stop", typed(true, 1794300000000, "default", ada, adaB))
	w.settle()
	w.tie("tie", 1794300000500, adaB, adaP)
	w.settle()
	w.change("start", typed(false, 1794300001000, "default", ada))
	w.settle()
	states := []map[string]json.RawMessage{{}, {}}
	for s := range w.states {
		for key, state := range w.states[s] {
			states[s][key] = state
		}
	}
	checkGolden(t, "consent", map[string]any{
		"commands": w.commands, "states": states, "ledger": w.ledger, "messages": w.messages(), "events": w.events,
	})
}

func TestFormatOfAnExplanationStays(t *testing.T) {
	w := newWorld(t, 1)
	w.change("stop", typed(true, 1794300000000, "default", ada))
	w.change("start", typed(false, 1794300001000, "default", ada))
	w.change("again", typed(true, 1794300002000, "default", ada))
	w.settle()
	checked := w.person(ada).Checked([]string{"default", "meta"}, "wa")
	checkGolden(t, "why", []optout.Explanation{optout.Why(checked, w.rows(ada)), optout.Why(nil, nil)})
}

func checkGolden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := "testdata/" + name + ".golden.json"
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != string(got)+"\n" {
		t.Errorf("%s differs:\n%s", path, got)
	}
}
