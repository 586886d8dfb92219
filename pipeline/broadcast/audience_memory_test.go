package broadcast_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// abyss takes every page in and forgets it.
type abyss struct {
	pages int
	most  uint64 // bytes of the heap in use, after a collection
}

func (a *abyss) Publish(_ context.Context, records ...*stream.Record) error {
	if a.pages++; a.pages%200 == 0 {
		var now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&now)
		a.most = max(a.most, now.HeapAlloc)
	}
	return nil
}

func (a *abyss) States(_ context.Context, _ int, keys ...string) ([][]byte, error) {
	return make([][]byte, len(keys)), nil
}

func (a *abyss) Answer(context.Context, int, int64, string) (*shard.Answer, bool, error) {
	return &shard.Answer{OK: true, Value: broadcast.Audience{}}, true, nil
}

func (a *abyss) take(t *testing.T, rows int, line func(n int) string) error {
	t.Helper()
	lines, err := broadcast.OpenLines("text/csv", io.MultiReader(strings.NewReader("to,name\n"), &endless{line: line, lines: rows}))
	must(t, err)
	channel, _ := terms().Directory.Channel("acme", "wa")
	u := broadcast.Uploader{Shards: shards, Publisher: a, States: a, Answers: a, Now: time.Now}
	_, err = u.Take(t.Context(), broadcast.Upload{ID: "a1", Account: terms().Account, Channel: channel}, lines)
	return err
}

// endless gives lines one by one: the file itself is held by nobody.
type endless struct {
	line  func(n int) string
	lines int
	n     int
	rest  string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		if e.n == e.lines {
			return 0, io.EOF
		}
		e.rest = e.line(e.n)
		e.n++
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestAFileIsNotHeld reads 250,000 rows of 100 bytes, which take 60 MiB and more where they are held: of each person there are but
// some bytes, so that a million take four times as much.
func TestAFileIsNotHeld(t *testing.T) {
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := &abyss{}
	name := strings.Repeat("x", 85)
	must(t, a.take(t, 250_000, func(n int) string { return fmt.Sprintf("+4477%08d,%s\n", n, name) }))
	if held := a.most - min(a.most, before.HeapAlloc); held > 16<<20 {
		t.Errorf("%d MiB are held", held>>20)
	} else {
		t.Logf("%d KiB at most", held>>10)
	}
}

func TestAFileOfMoreThanAMillionRowsIsRefused(t *testing.T) {
	one := func(int) string { return "+447700900101,\n" }
	a := &abyss{}
	if err := a.take(t, broadcast.MaxUpload, one); err != nil || a.pages != broadcast.MaxUpload/500+1 { // repeats are kept too
		t.Errorf("a million: %d pages, %v", a.pages, err)
	}
	if err := a.take(t, broadcast.MaxUpload+1, one); fault.KindOf(err) != fault.TooLarge || !strings.Contains(err.Error(), "1,000,000") {
		t.Errorf("one more: %v", err)
	}
}
