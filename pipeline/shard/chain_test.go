package shard_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// unbroken computes the chain of the ledger anew and holds each row's and the cursor's against it. It gives the rows.
func (w *world) unbroken() (rows int) {
	w.t.Helper()
	cursor := w.cursor(w.t)
	chain, causes := shard.NewChain("here", 0), map[string]bool{}
	for _, r := range w.logs[stream.Consent] {
		if r.Offset == cursor.Ledger && cursor.Chain != "" && cursor.Chain != chain.String() {
			w.t.Errorf("the cursor's chain isn't that of the rows before %d", cursor.Ledger)
		}
		if !shard.IsRow(&r) {
			continue
		}
		rows++
		if cause := r.Header(shard.HeaderCause); causes[cause] {
			w.t.Errorf("row %s stands there twice", cause)
		} else {
			causes[cause] = true
		}
		chain = chain.After(&r)
		if told := r.Header(shard.HeaderChain); told != "" && told != chain.String() {
			w.t.Errorf("row %d breaks the chain", r.Offset)
		}
	}
	if cursor.Ledger == int64(len(w.logs[stream.Consent])) && cursor.Chain != chain.String() {
		w.t.Error("the cursor's chain isn't that of all rows")
	}
	return rows
}

func TestTheChainGoesOnOverClaimsAndWipes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 20 {
			w.command("keep", kept{Keys: 1, Rows: n})
			w.runs(keep, time.Second)
			if n%3 == 0 {
				w.at, w.states = shard.Position{}, map[string][]byte{}
			}
			w.runs(keep, time.Second)
			w.unbroken()
		}
		if rows := w.unbroken(); rows != 190 {
			t.Errorf("%d rows", rows)
		}
	})
}

// An owner may die after its rows and before its decision, again and again, and the next one may get commands in smaller
// portions. No row comes twice, and the chain goes on from the last one.
func TestRowsWithoutADecisionAreTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		broken := func([]*stream.Record) error { return errors.New("away") }
		for range 10 {
			w.command("keep", kept{Keys: 1, Rows: 3, Send: true})
		}
		w.refuse = broken
		w.runs(keep, time.Second) // the rows of all ten stand there
		if rows := w.unbroken(); rows != 30 || w.cursor(t).Command != 0 {
			t.Fatalf("%d rows, decided up to %d", rows, w.cursor(t).Command)
		}
		w.round = 1
		for decided := range 10 { // each owner decides one command more
			w.refuse = func([]*stream.Record) error {
				if w.cursor(t).Command > int64(decided) {
					return errors.New("away")
				}
				return nil
			}
			w.runs(keep, time.Second)
			w.unbroken()
		}
		w.refuse = nil
		w.command("keep", kept{Keys: 1, Rows: 1})
		w.runs(keep, time.Minute)
		if rows, c := w.unbroken(), w.cursor(t); rows != 31 || c.Command != 11 || c.Ledger != w.end(stream.Consent) {
			t.Errorf("%d rows, cursor %+v, the ledger ends at %d", rows, c, w.end(stream.Consent))
		}
	})
}

// Rows from before there were chains are hashed all the same: the first row that shows a chain holds them fast.
func TestRowsWithoutChainsAreHeldFastByLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 3 {
			w.command("keep", kept{Keys: 1, Rows: 5})
		}
		w.runs(keep, time.Second)
		for i := range w.logs[stream.Consent] {
			r := &w.logs[stream.Consent][i]
			r.Headers = slices.DeleteFunc(r.Headers, func(h stream.Header) bool { return h.Key == shard.HeaderChain })
		}
		cursor := w.cursor(t)
		cursor.Chain = ""
		old, err := json.Marshal(cursor)
		if err != nil {
			t.Fatal(err)
		}
		w.states[shard.CursorKey] = old
		w.command("keep", kept{Keys: 1, Rows: 5})
		w.runs(keep, time.Second)
		last := w.logs[stream.Consent][w.end(stream.Consent)-1]
		if rows := w.unbroken(); rows != 20 || last.Header(shard.HeaderChain) == "" {
			t.Errorf("%d rows, the last chained to %q", rows, last.Header(shard.HeaderChain))
		}
	})
}

// Each part of a row is held fast, and no byte can move from one part to the next.
func TestAChainChangesWithEveryPartOfARow(t *testing.T) {
	row := func(key, value, cause string) *stream.Record {
		return &stream.Record{Key: []byte(key), Value: []byte(value), Headers: []stream.Header{{Key: shard.HeaderCause, Value: cause}}}
	}
	start := shard.NewChain("here", 0)
	seen := map[shard.Chain]string{start: "start", shard.NewChain("here", 1): "shard", shard.NewChain("there", 0): "installation"}
	for name, r := range map[string]*stream.Record{
		"row": row("12", "ab", "7.0"), "key": row("13", "ab", "7.0"), "value": row("12", "ac", "7.0"), "cause": row("12", "ab", "7.1"),
		"moved to the value": row("1", "2ab", "7.0"), "moved to the cause": row("12", "a", "b7.0"),
		"long": row("12", strings.Repeat("a", 5000), "7.0"),
	} {
		c := start.After(r)
		if other, again := seen[c]; again {
			t.Errorf("%s has the chain of %s", name, other)
		}
		seen[c] = name
		if back, err := shard.ParseChain(c.String()); err != nil || back != c {
			t.Errorf("%s is read back as %s: %v", c, back, err)
		}
	}
	for _, text := range []string{"", "00", strings.Repeat("g", 64), strings.Repeat("0", 66)} {
		if _, err := shard.ParseChain(text); err == nil {
			t.Errorf("%q is taken for a chain", text)
		}
	}
}

func TestTheHeadIsLoggedOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.command("keep", kept{Keys: 1, Rows: 2})
		w.runs(keep, 73*time.Hour)
		if n := strings.Count(w.log.String(), `"ledger head"`); n != 3 {
			t.Errorf("%d heads in three days", n)
		}
		head := w.cursor(t).Chain
		if n := strings.Count(w.log.String(), head); n < 3 {
			t.Errorf("the head's chain stands there %d times", n)
		}
	})
}
