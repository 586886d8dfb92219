package imports_test

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"

	"optgate/pipeline/imports"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// abyss takes every part in and forgets it.
type abyss struct {
	*world

	most uint64 // bytes of the heap in use
	n    int
}

func (a *abyss) Publish(ctx context.Context, records ...*stream.Record) error {
	if strings.Contains(string(records[0].Value), `"kind":"import.`) {
		return a.world.Publish(ctx, records...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n++; a.n%20 == 0 {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		a.most = max(a.most, now.HeapAlloc)
	}
	return nil
}

func (a *abyss) Answer(ctx context.Context, s int, offset int64, command string) (*shard.Answer, bool, error) {
	if command == "" { // of a part
		return nil, true, nil
	}
	return a.world.Answer(ctx, s, offset, command)
}

// endless gives rows one by one: the file itself is held by nobody.
type endless struct {
	rows int
	rest string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		if e.rows == 0 {
			return 0, io.EOF
		}
		e.rows--
		e.rest = "+" + phone(e.rows%100_000).Value() + ",some text of somebody else's\n"
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestAFileIsNotHeld reads 100,000 rows, which take 40 MiB where they are held, in the memory of some thousand.
func TestAFileIsNotHeld(t *testing.T) {
	a := &abyss{world: newWorld()}
	importer := a.importer()
	importer.Publisher, importer.Answers = a, a
	table, err := imports.Open(io.MultiReader(strings.NewReader("to,name\n"), &endless{rows: 100_000}))
	if err != nil {
		t.Fatal(err)
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	i, err := importer.Run(t.Context(), order("i", "1"), table)
	if err != nil || i.Parts < 400 {
		t.Errorf("%+v, %v", i, err)
	}
	if held := a.most - min(a.most, before.HeapAlloc); held > 16<<20 {
		t.Errorf("%d MiB are held", held>>20)
	} else {
		t.Logf("%d KiB at most", held>>10)
	}
}
