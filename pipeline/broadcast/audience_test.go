package broadcast_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// shelf is where audiences are kept, in memory: their owner folds each command as it is published.
type shelf struct {
	*decider
	t    *testing.T
	mu   sync.Mutex
	now  time.Time
	once bool // nobody sends anything again
	cut  int  // publications until one fails; 0: none does
	most int  // bytes of a command
}

func newShelf(t *testing.T) *shelf {
	return &shelf{decider: newDecider(), t: t, now: terms().Now}
}

func (s *shelf) Publish(_ context.Context, records ...*stream.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut--; s.cut == 0 {
		return errCut
	}
	for _, r := range records {
		var c shard.Command
		must(s.t, json.Unmarshal(r.Value, &c))
		s.most = max(s.most, len(r.Value))
		r.Offset = s.offset
		must(s.t, s.fold(c))
	}
	return nil
}

func (s *shelf) States(_ context.Context, _ int, keys ...string) (found [][]byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		found = append(found, s.states[key])
	}
	return found, nil
}

func (s *shelf) Answer(_ context.Context, _ int, _ int64, command string) (*shard.Answer, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw := s.states[shard.AnswerKey(command)]
	if raw == nil {
		return nil, true, nil
	}
	answer := &shard.Answer{}
	return answer, true, json.Unmarshal(raw, answer)
}

// take uploads a file under an id.
func (s *shelf) take(id, contentType string, file io.Reader) (broadcast.Audience, error) {
	lines, err := broadcast.OpenLines(contentType, file)
	if err != nil {
		return broadcast.Audience{}, err
	}
	channel, _ := terms().Directory.Channel("acme", "wa")
	u := broadcast.Uploader{Shards: shards, Publisher: s, States: s, Answers: s, Now: func() time.Time { return s.now }}
	return u.Take(s.t.Context(), broadcast.Upload{ID: id, Again: !s.once, Account: terms().Account, Channel: channel}, lines)
}

// kept gives all that an audience's pages hold.
func (s *shelf) kept(id string) (all broadcast.Page) {
	ref := broadcast.Ref{Account: "acme", ID: id}
	for n := 0; s.states[ref.PageKey(n)] != nil; n++ {
		var page broadcast.Page
		must(s.t, json.Unmarshal(s.states[ref.PageKey(n)], &page))
		all.Rows, all.Repeats, all.Refused = append(all.Rows, page.Rows...), append(all.Repeats, page.Repeats...), append(all.Refused, page.Refused...)
	}
	return all
}

const ndjson = "application/x-ndjson"

func TestAnUploadedFileBecomesRows(t *testing.T) {
	type row struct {
		Line            int
		To, Dial, Error string
		Params          map[string]string
	}
	f := func(name, kind, file string, want []row, repeats []broadcast.Repeat, refused ...int) {
		t.Helper()
		for way, from := range map[string]io.Reader{"at once": strings.NewReader(file), "byte by byte": iotest.OneByteReader(strings.NewReader(file))} {
			s := newShelf(t)
			a, err := s.take("a1", kind, from)
			if err != nil {
				t.Errorf("%s, %s: %v", name, way, err)
				continue
			}
			kept := s.kept("a1")
			var got []row
			invalid := 0
			for i, r := range kept.Rows {
				if r.N != i+1 || r.To != "" && r.Pseudonym != terms().Account.Key.Pseudonym(r.To) {
					t.Errorf("%s: row %+v", name, r)
				}
				if r.Error != "" {
					invalid++
				}
				got = append(got, row{r.Line, string(r.To), r.Dial, r.Error, r.Params})
			}
			var lines []int
			for _, r := range kept.Refused {
				lines = append(lines, r.Line)
			}
			if diff := cmp.Diff(want, got) + cmp.Diff(repeats, kept.Repeats) + cmp.Diff(refused, lines); diff != "" {
				t.Errorf("%s, %s: %s", name, way, diff)
			}
			if a.Recipients != len(want) || a.Duplicates != len(repeats) || a.Refused != len(refused) || a.Invalid != invalid ||
				a.Rows != a.Recipients+a.Duplicates+a.Refused || a.Status != broadcast.Ready {
				t.Errorf("%s: counts %+v", name, a)
			}
		}
	}
	ada, bob := row{2, "phone:447700900101", "", "", nil}, row{3, "phone:447700900102", "", "", nil}
	named := func(r row, line int, name string) row {
		r.Line, r.Params = line, map[string]string{"name": name}
		return r
	}
	f("one column", "text/csv", "to\n+447700900101\n07700 900102\n", []row{ada, bob}, nil)
	f("a BOM, CRLF, semicolons and a name", "text/csv; charset=utf-8", "\xef\xbb\xbfPhone;name\r\n+447700900101;Ada\r\n\r\n+447700900102;\"B;ob\"\r\n",
		[]row{named(ada, 2, "Ada"), named(bob, 4, "B;ob")}, nil)
	f("tabs", "", "name\tMOBILE\nAda\t+447700900101\n\t+447700900102\n", []row{named(ada, 2, "Ada"), bob}, nil)
	f("a spreadsheet's divider", "text/csv", "sep=;\nto;name\n+447700900101;A,d,a\n", []row{named(ada, 3, "A,d,a")}, nil)
	f("quoted newlines", "text/csv", "to,name\n+447700900101,\"A\nd\na\"\n+447700900102,Bob\n+447700900102,Rob\n",
		[]row{named(ada, 2, "A\nd\na"), named(bob, 5, "Bob")},
		[]broadcast.Repeat{{Line: 6, Given: "+447700900102", Of: 2, First: 5, To: "phone:447700900102"}})
	f("one person in several writings", "text/csv", "to\n+447700900101\n07700 900101\n0044 (0) 7700-900101\n'+447700900101\n\"+44 7700 900101\"\n",
		[]row{ada}, []broadcast.Repeat{
			{Line: 3, Given: "07700 900101", Of: 1, First: 2, To: "phone:447700900101"},
			{Line: 4, Given: "0044 (0) 7700-900101", Of: 1, First: 2, To: "phone:447700900101"},
			{Line: 5, Given: "+447700900101", Of: 1, First: 2, To: "phone:447700900101"},
			{Line: 6, Given: "+44 7700 900101", Of: 1, First: 2, To: "phone:447700900101"},
		})
	f("Brazil with and without the nine", "text/csv", "to\n+551187654321\n+5511987654321\n", []row{{2, "phone:5511987654321", "+551187654321", "", nil}},
		[]broadcast.Repeat{{Line: 3, Given: "+5511987654321", Of: 1, First: 2, To: "phone:5511987654321"}})
	f("junk", "text/csv", "to,name\nnobody,x\n,Ada\n\"+44\n+447700900102,Bob\n1,2,3\nGB.902,\xff\n\x00,\n"+strings.Repeat("9", 300)+",x\n",
		[]row{{2, "", "", "Invalid Number", nil}, named(bob, 5, "Bob")}, nil, 3, 4, 6, 7, 8, 9)
	f("user ids", "text/csv", "to\nGB.902\nGB.902\n", []row{{2, "bsuid:GB.902", "", "", nil}},
		[]broadcast.Repeat{{Line: 3, Given: "GB.902", Of: 1, First: 2, To: "bsuid:GB.902"}})
	f("objects", ndjson, "\xef\xbb\xbf{\"to\":\"+447700900101\",\"params\":{\"name\":\"Ada\"}}\r\n\n{\"to\":\"+447700900102\",\"params\":{\"name\":\"\"}}",
		[]row{named(ada, 1, "Ada"), named(bob, 3, "")}, nil)
	f("objects that are none", ndjson, "{\"to\":\"+447700900101\"}\n{\n[]\n{\"to\":447700900102}\n{\"to\":\"x\",\"params\":[]}\n{\"to\":\" \"}\n{\"to\":\"x\",\"params\":{\"a\":{}}}\nnull\n{\"to\":\"nobody\"}\n"+
		"{\"to\":\"+447700900102\",\"name\":\"Bob\"}\n{\"to\":\"x\"}{\"to\":\"y\"}\n{\"to\":\"x\"}]\n",
		[]row{{1, "phone:447700900101", "", "", nil}, {9, "", "", "Invalid Number", nil}}, nil, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12)
	f("a long line of objects", ndjson, "{\"to\":\"+447700900101\"}\n{\"to\":\""+strings.Repeat("x", 70<<10)+"\"}\n{\"to\":\"+447700900102\"}\n",
		[]row{{1, "phone:447700900101", "", "", nil}, {3, "phone:447700900102", "", "", nil}}, nil, 2)
}

func TestAFileThatIsNoAudienceSaysWhatToDo(t *testing.T) {
	f := func(kind, file, code string, of fault.Kind) {
		t.Helper()
		s := newShelf(t)
		_, err := s.take("a1", kind, strings.NewReader(file))
		wrong, ok := errors.AsType[*fault.Error](err)
		if !ok || wrong.Code != code || wrong.Kind != of {
			t.Errorf("%.60q: %v, want %s", file, err, code)
		}
	}
	f("text/csv", "", "empty_file", fault.Unprocessable)
	f("text/csv", "to\n", "no_rows", fault.Unprocessable)
	f("text/csv", "to,name\n,Ada\n", "no_rows", fault.Unprocessable)
	f(ndjson, "", "no_rows", fault.Unprocessable)
	f(ndjson, "\n\n", "no_rows", fault.Unprocessable)
	f("text/csv", "name\nAda\n", "no_header", fault.Unprocessable)
	f("text/csv", "to,name,name\n1,2,3\n", "two_columns", fault.Unprocessable)
	f("text/csv", "to,"+strings.Repeat("é", 101)+"\n1,2\n", "column_too_long", fault.Unprocessable)
	f("text/csv", "to,name\r+447700900101,Ada\r", "line_ends", fault.Unprocessable)
	f("text/csv", "PK\x03\x04", "not_csv", fault.Unprocessable)
	f("application/json", "{}", "unknown_type", fault.Unprocessable)
	f("multipart/form-data; boundary=x", "--x", "unknown_type", fault.Unprocessable)
	header := "to"
	for n := range 101 {
		header += fmt.Sprint(",c", n)
	}
	f("text/csv", header+"\n", "too_many_columns", fault.Unprocessable)
}

// file gives a CSV file of so many people.
func file(people int) string {
	var text strings.Builder
	text.WriteString("to,name\n")
	for n := range people {
		fmt.Fprintf(&text, "+4477009%05d,Ada\n", n)
	}
	return text.String()
}

func TestAFileThatBreaksOffLeavesNothingAndGoesOnLater(t *testing.T) {
	s := newShelf(t)
	whole := file(2300)
	gone := errors.New("gone")
	if _, err := s.take("a1", "text/csv", io.MultiReader(strings.NewReader(whole[:len(whole)*2/3]), iotest.ErrReader(gone))); !errors.Is(err, gone) {
		t.Fatal(err)
	}
	var a broadcast.Audience
	must(t, json.Unmarshal(s.states["audience/acme/a1"], &a))
	if a.Status != broadcast.Arriving || len(a.Pages) != 3 {
		t.Errorf("broken off: %+v", a)
	}
	s.cut = 2 // Kafka is away after one page more
	if _, err := s.take("a1", "text/csv", strings.NewReader(whole)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("cut: %v", err)
	}
	before := s.offset
	a, err := s.take("a1", "text/csv", strings.NewReader(whole))
	if err != nil || a.Recipients != 2300 || len(s.kept("a1").Rows) != 2300 || s.offset-before != 2 {
		t.Errorf("once more: %d rows with %d commands, %v", a.Recipients, s.offset-before, err)
	}
	again, err := s.take("a1", "text/csv", strings.NewReader(whole))
	if err != nil || cmp.Diff(a, again) != "" {
		t.Errorf("again: %v %s", err, cmp.Diff(a, again))
	}
	for _, other := range []string{file(10), file(2299), file(2301), strings.Replace(whole, "Ada", "Eve", 1)} {
		if _, err := s.take("a1", "text/csv", strings.NewReader(other)); fault.KindOf(err) != fault.Unprocessable || !strings.Contains(err.Error(), "Another file") {
			t.Errorf("another file: %v", err)
		}
	}
}

func TestTwoUploadsUnderOneKeyAtOnceMakeOneAudience(t *testing.T) {
	f := func(files ...string) (made []broadcast.Audience, failed []error) {
		s := newShelf(t)
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, one := range files {
			all.Go(func() {
				a, err := s.take("a1", "text/csv", strings.NewReader(one))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made = append(made, a)
				} else {
					failed = append(failed, err)
				}
			})
		}
		all.Wait()
		for _, a := range made {
			if kept := s.kept("a1"); len(kept.Rows) != a.Recipients {
				t.Errorf("%d rows for %d recipients", len(kept.Rows), a.Recipients)
			}
		}
		return made, failed
	}
	if made, failed := f(file(3000), file(3000), file(3000)); len(made) != 3 || cmp.Diff(made[0], made[1]) != "" || cmp.Diff(made[0], made[2]) != "" {
		t.Errorf("one file: %d made, %v", len(made), failed)
	}
	made, failed := f(file(3000), strings.ReplaceAll(file(3000), "Ada", "Eve"))
	if len(made) > 1 {
		t.Error("two files make two audiences of one id")
	}
	for _, err := range failed {
		if kind := fault.KindOf(err); kind != fault.Unprocessable && kind != fault.Unavailable {
			t.Errorf("the other: %v", err)
		}
	}
}

// decide folds a command of a constructor and gives the code of its answer.
func (s *shelf) decide(c shard.Command, err error) string {
	s.t.Helper()
	must(s.t, err)
	delete(s.states, shard.AnswerKey(c.ID))
	must(s.t, s.fold(c))
	var a shard.Answer
	must(s.t, json.Unmarshal([]byte(s.answer(c)), &a))
	return a.Code
}

func (s *shelf) forget(after time.Duration) {
	s.t.Helper()
	var a broadcast.Audience
	raw := s.states["audience/acme/a1"]
	if raw == nil {
		return
	}
	must(s.t, json.Unmarshal(raw, &a))
	records, err := a.Forget(shards, s.now.Add(after))
	must(s.t, err)
	for _, r := range records {
		must(s.t, s.Publish(s.t.Context(), r))
	}
}

func TestAnAudienceStaysAsLongAsABroadcastUsesIt(t *testing.T) {
	s := newShelf(t)
	ref := broadcast.Ref{Account: "acme", ID: "a1"}
	use := func(b string) string { return s.decide(broadcast.AudienceUse(ref, b, s.now.UnixMilli())) }
	release := func(b string, after time.Duration) {
		r, err := broadcast.AudienceRelease(shards, ref, b, s.now.Add(after).UnixMilli())
		must(t, err)
		must(t, s.Publish(t.Context(), r))
	}
	remove := func() string { return s.decide(broadcast.AudienceDelete(ref, "d", s.now.UnixMilli())) }
	if use("b1") != broadcast.CodeNoAudience || remove() != broadcast.CodeNotFound {
		t.Error("an audience that isn't there is used or deleted")
	}
	if _, err := s.take("a1", "text/csv", strings.NewReader(file(6000))); err != nil {
		t.Fatal(err)
	}
	for _, b := range []string{"b1", "b1", "b2"} {
		if code := use(b); code != "" {
			t.Errorf("it can't be used: %s", code)
		}
	}
	if remove() != broadcast.CodeAudienceInUse {
		t.Error("it is deleted though it is used")
	}
	release("b1", time.Hour)
	release("b1", time.Hour)
	release("nobody", time.Hour)
	if s.forget(1000 * time.Hour); len(s.kept("a1").Rows) != 6000 {
		t.Error("it is forgotten though it is used")
	}
	release("b2", 2*time.Hour)
	if s.forget(2*time.Hour + broadcast.AudienceKept - time.Second); len(s.kept("a1").Rows) != 6000 {
		t.Error("it is forgotten too early")
	}
	s.forget(2*time.Hour + broadcast.AudienceKept)
	for key := range s.states {
		if family := shard.Family(key); family == "page" || family == "audience" {
			t.Errorf("%s stays", key)
		}
	}
	if use("b3") != broadcast.CodeNoAudience {
		t.Error("it is used though it is gone")
	}
}

func TestABrokenOffUploadIsForgottenAfterAnHour(t *testing.T) {
	s := newShelf(t)
	whole := file(2300)
	_, _ = s.take("a1", "text/csv", io.MultiReader(strings.NewReader(whole[:len(whole)/2]), iotest.ErrReader(errCut)))
	states := maps.Clone(s.states)
	if s.forget(59 * time.Minute); !maps.EqualFunc(states, s.states, slices.Equal[[]byte]) {
		t.Error("forgotten at once")
	}
	if s.forget(time.Hour); len(s.states) != 0 {
		t.Errorf("%d states stay", len(s.states))
	}
}

func TestWhatNobodyCanSendAgainIsLetGoAtOnce(t *testing.T) {
	f := func(once bool, file io.Reader) {
		t.Helper()
		s := newShelf(t)
		s.once = once
		if _, err := s.take("a1", "text/csv", file); err == nil {
			t.Fatal("taken")
		}
		if s.forget(0); s.states["audience/acme/a1"] != nil || len(s.kept("a1").Rows) != 0 {
			t.Error("it stays")
		}
	}
	f(true, io.MultiReader(strings.NewReader(file(1200)), iotest.ErrReader(errCut)))
	f(false, io.MultiReader(strings.NewReader(file(1200)), iotest.ErrReader(fault.New(fault.TooLarge, "too_large", "too large"))))
}

func TestADeletedAudienceCanNotBeUsedAnyMore(t *testing.T) {
	s := newShelf(t)
	ref := broadcast.Ref{Account: "acme", ID: "a1"}
	_, err := s.take("a1", "text/csv", strings.NewReader(file(110_000))) // more pages than are forgotten at once
	must(t, err)
	if code := s.decide(broadcast.AudienceDelete(ref, "d", s.now.UnixMilli())); code != "" {
		t.Fatal(code)
	}
	if code := s.decide(broadcast.AudienceUse(ref, "b1", s.now.UnixMilli())); code != broadcast.CodeNoAudience {
		t.Errorf("used: %q", code)
	}
	if _, err := s.take("a1", "text/csv", strings.NewReader(file(110_000))); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("sent again meanwhile: %v", err)
	}
	for range 3 {
		s.forget(0)
	}
	if len(s.kept("a1").Rows) != 0 || s.states[ref.AudienceKey()] != nil {
		t.Error("it stays")
	}
}

func TestABroadcastTakesItsRowsFromAnAudience(t *testing.T) {
	s := newShelf(t)
	a, err := s.take("a1", "text/csv", strings.NewReader(file(1200)+"+447700900000,Again\nnobody,\n"))
	must(t, err)
	body := `{"channel":"wa","category":"marketing","lists":["default"],"message":` + text + `,"audience":{"upload":"a1"},
		"starts_at":"2026-10-01T10:00:00Z","quiet_hours":{"from":"21:00","to":"08:30"},"messages_per_second":2.5,"webhook_url":"https://example.com/x"}`
	r, wrong, err := broadcast.ParseRequest([]byte(body))
	must(t, err)
	at := terms()
	at.Upload = &a
	d, err := at.Draft("b1", []byte(body), r, wrong)
	must(t, err)
	p := d.Plan
	if p.Audience != 1201 || p.Duplicates != 1 || !slices.Equal(p.Pages, []int{500, 500, 201}) || len(d.Rows) != 0 {
		t.Errorf("%+v", p)
	}
	starts := time.Date(2026, 10, 1, 10, 0, 0, 0, time.UTC)
	if p.StartsAt != starts.UnixMilli() || p.EndsAt != starts.Add(24*time.Hour).UnixMilli() || *p.Quiet != (chat.Quiet{From: 21 * 60, To: 8*60 + 30}) ||
		p.Rate != 2.5 || p.WebhookURL != "https://example.com/x" {
		t.Errorf("%+v", p)
	}
	if b := (broadcast.Broadcast{ID: "b1", Account: "acme", Plan: p}); b.Rows() != a.Ref() {
		t.Errorf("its rows are %v's", b.Rows())
	}
	for _, other := range []func(*broadcast.Audience){
		func(a *broadcast.Audience) { a.Status = broadcast.Arriving },
		func(a *broadcast.Audience) { a.Channel = "page" }, // of another country
	} {
		changed := a
		other(&changed)
		at.Upload = &changed
		if _, err := at.Draft("b1", []byte(body), r, wrong); fault.KindOf(err) != fault.Unprocessable {
			t.Errorf("%+v: %v", changed.Status, err)
		}
	}
}

// FuzzLines looks at what must hold of every file: it is read alike however it comes, all of it is counted, and what is kept of it
// fits into commands.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"to,name\n+447700900101,Ada\n07700900101,\"B\nob\"\n", "sep=;\r\nPhone;x\r\n\"\"\"\";1\r\n", "\xef\xbb\xbfmobile\tto\n1\t+447700900101",
		"{\"to\":\"+447700900101\",\"params\":{\"a\":1}}\n{}\n", "{\"to\":\"GB.1\",\"params\":null}\n\n[\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, file []byte, lines bool) {
		kind := "text/csv"
		if lines {
			kind = ndjson
		}
		s := newShelf(t)
		a, err := s.take("a1", kind, strings.NewReader(string(file)))
		again, err2 := newShelf(t).take("a1", kind, iotest.OneByteReader(strings.NewReader(string(file))))
		if fmt.Sprint(err) != fmt.Sprint(err2) || cmp.Diff(a, again) != "" {
			t.Fatalf("%v %v %s", err, err2, cmp.Diff(a, again))
		}
		if err != nil {
			if fault.KindOf(err) == fault.Internal {
				t.Fatal(err)
			}
			return
		}
		kept := s.kept("a1")
		if len(kept.Rows) != a.Recipients || len(kept.Repeats) != a.Duplicates || len(kept.Refused) != a.Refused ||
			a.Rows != a.Recipients+a.Duplicates+a.Refused || s.most > shard.MaxCommand {
			t.Fatalf("%+v keeps %d, %d, %d", a, len(kept.Rows), len(kept.Repeats), len(kept.Refused))
		}
	})
}
