package imports_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/imports"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

func phone(n int) chat.Identifier { return chat.Identifier(fmt.Sprintf("phone:4477009%05d", n)) }

// file has n phones from the first on, and a row that is refused before each hundredth.
func file(first, n int) string {
	var b strings.Builder
	b.WriteString("to\n")
	for i := range n {
		if i%100 == 0 {
			b.WriteString("12\n")
		}
		fmt.Fprintf(&b, "+4477009%05d\n", first+i)
	}
	return b.String()
}

func run(ctx context.Context, w *world, o imports.Order, from io.Reader) (imports.Import, error) {
	table, err := imports.Open(from)
	if err != nil {
		return imports.Import{}, err
	}
	return w.importer().Run(ctx, o, table)
}

func sums(i *imports.Import) string {
	return fmt.Sprintf("%s %s %d+%d+%d+%d", i.Status, i.Code, i.Added, i.Known, i.Stayed, i.Refused)
}

var errCut = errors.New("cut")

// TestSumsAreExactWhateverIsCut imports a random file that is cut again and again, by its sender or by Kafka, with owners that
// crash and decide anew, and compares with what the rows say.
func TestSumsAreExactWhateverIsCut(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld()
		w.crash = func() bool { return rapid.IntRange(0, 9).Draw(r, "crash") == 0 }
		people := rapid.IntRange(1, 1500).Draw(r, "people")
		barred, optedIn := map[int]bool{}, map[int]bool{}
		for i := range min(people, 40) {
			switch rapid.IntRange(0, 3).Draw(r, "before") {
			case 0:
				w.say(t, phone(i), true, now.Add(-time.Hour))
				barred[i] = true
			case 1:
				w.say(t, phone(i), false, now.Add(-time.Hour))
				optedIn[i] = true
			}
		}
		var text strings.Builder
		text.WriteString("at,to\n")
		added, known, stayed, refused := 0, 0, 0, 0
		for range rapid.IntRange(1, 3000).Draw(r, "rows") {
			i := rapid.IntRange(0, people).Draw(r, "who")
			old := rapid.Bool().Draw(r, "old")
			switch {
			case i == people:
				text.WriteString(",12\n")
				refused++
				continue
			case old:
				fmt.Fprintf(&text, "2026-11-01,+4477009%05d\n", i)
			default:
				fmt.Fprintf(&text, ",+4477009%05d\n", i)
			}
			switch {
			case barred[i]:
				known++
			case old && optedIn[i]:
				stayed++
			default:
				barred[i] = true
				added++
			}
		}
		whole := text.String()
		table, err := imports.Open(strings.NewReader(whole))
		if err != nil {
			r.Fatal(err)
		}
		dry, err := w.importer().Rehearse(t.Context(), order("i", "dry"), table)
		if err != nil || dry.Added != added || dry.Known+dry.Stayed != known+stayed || dry.Refused != refused {
			r.Fatalf("rehearsed %+v, %v", dry, err)
		}
		for n := range rapid.IntRange(0, 3).Draw(r, "cuts") {
			left := rapid.IntRange(0, 20).Draw(r, "commands")
			if rapid.Bool().Draw(r, "by Kafka") {
				w.publish = func(*stream.Record) error {
					if left--; left < 0 {
						return errCut
					}
					return nil
				}
			}
			part := whole[:rapid.IntRange(6, len(whole)).Draw(r, "bytes")]
			_, err := run(t.Context(), w, order("i", fmt.Sprint(n)), io.MultiReader(strings.NewReader(part), iotest.ErrReader(errCut)))
			if !errors.Is(err, errCut) {
				r.Fatalf("cut: %v", err)
			}
			w.publish = nil
		}
		i, err := run(t.Context(), w, order("i", "last"), strings.NewReader(whole))
		want := fmt.Sprintf("finished  %d+%d+%d+%d", added, known, stayed, refused)
		// Of one person's rows, those that a cut put into force before others may stay in or be known: their sum stands.
		if err != nil || sums(&i) != want {
			r.Fatalf("%s, not %s: %v", sums(&i), want, err)
		}
		for n := range people {
			if w.entry(t, phone(n)).Barred() != barred[n] {
				r.Fatalf("person %d: %+v", n, w.entry(t, phone(n)))
			}
		}
		if w.bad != nil {
			r.Fatal(w.bad)
		}
	})
}

func TestTwoReadersOfOneFileCountItOnce(t *testing.T) {
	w := newWorld()
	text := file(0, 3000)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			i, err := run(t.Context(), w, order("i", fmt.Sprint(n)), iotest.HalfReader(strings.NewReader(text)))
			if err != nil || sums(&i) != "finished  3000+0+0+30" {
				t.Errorf("reader %d: %s, %v", n, sums(&i), err)
			}
		})
	}
	all.Wait()
	if i := w.state(t, "i"); sums(i) != "finished  3000+0+0+30" {
		t.Errorf("%+v", i)
	}
}

func TestAKeyBelongsToItsFile(t *testing.T) {
	w := newWorld()
	if _, err := run(t.Context(), w, order("i", "1"), strings.NewReader(file(0, 1000))); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"others": file(1, 1000), "fewer": file(0, 900), "more": file(0, 1001)} {
		_, err := run(t.Context(), w, order("i", name), strings.NewReader(text))
		if wrong, ok := errors.AsType[*fault.Error](err); !ok || wrong.Code != imports.CodeKeyReused {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := order("i", "other")
	other.Terms.Channel = "*"
	if _, err := run(t.Context(), w, other, strings.NewReader(file(0, 1000))); err == nil {
		t.Error("another channel is the same import")
	}
	if i := w.state(t, "i"); sums(i) != "finished  1000+0+0+10" {
		t.Errorf("%+v", i)
	}
}

// TestPartsWaitForOwners: while owners decide nothing, no more than a few parts stand before a STOP that comes now.
func TestPartsWaitForOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ended := make(chan error, 1)
		w.held = true
		go func() {
			_, err := run(t.Context(), w, order("i", "1"), strings.NewReader(file(0, 20_000)))
			ended <- err
		}()
		for range 1000 {
			synctest.Wait()
			w.mu.Lock()
			more := w.step()
			w.mu.Unlock()
			if !more {
				select {
				case err := <-ended:
					if err != nil || w.most > 8 || w.state(t, "i").Added != 20_000 {
						t.Errorf("%v; %d parts waited, %+v", err, w.most, w.state(t, "i"))
					}
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}
		t.Error("it never ends")
	})
}

// TestSlowOwnersGetLess: where owners take long, a STOP that comes now still finds no more before it than they do in a moment.
func TestSlowOwnersGetLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ended := make(chan error, 1)
		w.held = true
		go func() {
			_, err := run(t.Context(), w, order("i", "1"), strings.NewReader(file(0, 20_000)))
			ended <- err
		}()
		for n := range 1000 {
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			w.mu.Lock()
			if n == 100 {
				w.most = 0
			}
			w.step()
			w.mu.Unlock()
			select {
			case err := <-ended:
				// They do two parts a second; a third may be published at the very moment at which one is done.
				if err != nil || w.most == 0 || w.most > 3 || w.state(t, "i").Added != 20_000 {
					t.Errorf("%v; %d parts waited, %+v", err, w.most, w.state(t, "i"))
				}
				return
			default:
			}
		}
		t.Error("it never ends")
	})
}

// TestFinishedMeansInForce: whoever reads finished finds everybody barred, at each step of the owners.
func TestFinishedMeansInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.held = true
		ended := make(chan error, 1)
		go func() {
			_, err := run(t.Context(), w, order("i", "1"), strings.NewReader(file(0, 600)))
			ended <- err
		}()
		for range 1000 {
			synctest.Wait()
			if i := w.state(t, "i"); i != nil && i.Status == imports.Finished {
				for n := range 600 {
					if !w.entry(t, phone(n)).Barred() {
						t.Fatalf("person %d is not barred", n)
					}
				}
				break
			}
			w.mu.Lock()
			more := w.step()
			w.mu.Unlock()
			if !more {
				time.Sleep(time.Millisecond) // of the bubble's clock
			}
		}
		for {
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
}

func TestOwnersThatDecideNothingEndAnImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish = func(r *stream.Record) error {
			w.held = w.held || strings.Contains(string(r.Value), `"consent.edit"`)
			return nil
		}
		_, err := run(t.Context(), w, order("i", "1"), strings.NewReader(file(0, 5000)))
		if wrong, ok := errors.AsType[*fault.Error](err); !ok || wrong.Kind != fault.Unavailable {
			t.Errorf("%v", err)
		}
		w.mu.Lock()
		for w.step() {
		}
		w.held, w.publish = false, nil
		w.mu.Unlock()
		if i := w.state(t, "i"); i.Status != imports.Failed || i.Code != imports.CodeBrokenOff {
			t.Errorf("%+v", i)
		}
		i, err := run(t.Context(), w, order("i", "2"), strings.NewReader(file(0, 5000)))
		if err != nil || sums(&i) != "finished  5000+0+0+50" {
			t.Errorf("%s, %v", sums(&i), err)
		}
	})
}

// TestAPartThatCanNotBeDecidedIsNoSilence: what became a dead letter was not filed, and the import says so.
func TestAPartThatCanNotBeDecidedIsNoSilence(t *testing.T) {
	w := newWorld()
	dead := 0
	w.dead = func(c shard.Command) bool {
		if c.Kind == optout.CommandEdit {
			dead++
		}
		return c.Kind == optout.CommandEdit && dead == 2
	}
	i, err := run(t.Context(), w, order("i", "1"), strings.NewReader(file(0, 2000)))
	if err != nil || i.Status != imports.Failed || i.Code != imports.CodeIncomplete || i.Added >= 2000 {
		t.Errorf("%s, %v", sums(&i), err)
	}
	i, err = run(t.Context(), w, order("i", "2"), strings.NewReader(file(0, 2000))) // whatever was the matter is mended
	if err != nil || sums(&i) != "finished  2000+0+0+20" {
		t.Errorf("%s, %v", sums(&i), err)
	}
}

// TestASlowFileIsHeardOf reads a file that takes hours, and one of which the reader is gone without a word.
func TestASlowFileIsHeardOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cut := context.WithCancel(t.Context())
		defer cut()
		from, to := io.Pipe()
		ended := make(chan error, 1)
		began := time.Now()
		w.now = began
		clock := func() { w.mu.Lock(); w.now = now.Add(time.Since(began)); w.mu.Unlock() }
		go func() {
			_, err := run(ctx, w, order("i", "1"), from)
			ended <- err
		}()
		for n := range 100 {
			if n == 0 {
				fmt.Fprint(to, "to\n")
			}
			fmt.Fprintf(to, "+4477009%05d\n", n)
			time.Sleep(time.Minute)
			clock()
			synctest.Wait()
			w.due(t)
			if i := w.state(t, "i"); n > 2 && (i.Status != imports.Running || i.Line < n) {
				t.Fatalf("after %d minutes: %+v", n, i)
			}
		}
		w.mu.Lock()
		w.publish = func(*stream.Record) error { return errCut } // its words reach nobody any more
		w.mu.Unlock()
		_ = to.CloseWithError(errCut)
		if err := <-ended; !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		w.publish = nil
		w.due(t)
		if i := w.state(t, "i"); i.Status != imports.Running {
			t.Errorf("at once: %+v", i)
		}
		time.Sleep(imports.Silence + time.Minute)
		clock()
		w.due(t)
		if i := w.state(t, "i"); i.Status != imports.Failed || i.Code != imports.CodeBrokenOff || i.Line < 99 {
			t.Errorf("after a while: %+v", i)
		}
		time.Sleep(imports.Kept + time.Minute)
		clock()
		w.due(t)
		if i := w.state(t, "i"); i != nil {
			t.Errorf("after 30 days: %+v", i)
		}
		for _, states := range w.states {
			for k := range states {
				if strings.HasPrefix(k, "import") {
					t.Errorf("%s is left", k)
				}
			}
		}
	})
}

// due does what whoever tends the imports does.
func (w *world) due(t *testing.T) {
	t.Helper()
	i := w.state(t, "i")
	if i == nil {
		return
	}
	w.mu.Lock()
	at := w.now
	w.mu.Unlock()
	record, err := i.Due(shards, "due", at)
	if err == nil && record != nil {
		err = w.Publish(t.Context(), record)
	}
	if err != nil {
		t.Fatal(err)
	}
}
