package imports_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"optgate/pipeline/fault"
	"optgate/pipeline/imports"
)

// told reads a table and writes down its rows.
func told(t testing.TB, file io.Reader) (rows []string, err error) {
	t.Helper()
	table, err := imports.Open(file)
	if err != nil {
		return nil, err
	}
	for {
		row, err := table.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		said := row.Wrong
		if said == "" {
			said = strings.Join(row.Fields, "|")
		}
		rows = append(rows, fmt.Sprintf("%d %s", row.Line, said))
	}
}

const (
	long  = "The row is longer than 64 KiB."
	open  = "A quotation mark is opened and not closed."
	after = "Something follows a closing quotation mark."
	count = "The row has another number of fields than the header."
	null  = "The row holds a null byte, which no text does."
)

func TestRows(t *testing.T) {
	for name, f := range map[string]struct {
		file string
		rows []string
	}{
		"plain":                      {"to\n1\n2\n", []string{"2 1", "3 2"}},
		"no end of the last line":    {"to\n1\n2", []string{"2 1", "3 2"}},
		"lines end as on Windows":    {"to,at\r\n1,\r\n\r\n2,x\r\n", []string{"2 1|", "4 2|x"}},
		"byte order mark":            {"\xef\xbb\xbfTO ,Name\n 1 , a \n", []string{"2 1|a"}},
		"semicolons":                 {"to;name\n1;\"a;b, c\"\n", []string{"2 1|a;b, c"}},
		"a spreadsheet's divider":    {"sep=;\r\nto;na,me\r\n1;\"a,b\"\r\n", []string{"3 1|a,b"}},
		"a divider nobody guesses":   {"\"sep=|\"\nto|name\n1|a;b,c\n", []string{"3 1|a;b,c"}},
		"tabs":                       {"to\tname\n1\ta,b\n", []string{"2 1|a,b"}},
		"lines between marks":        {"name,to\n\"a\nb\",1\nc,2\n", []string{"2 a\nb|1", "4 c|2"}},
		"marks between marks":        {"to,name\n1,\"say \"\"hi\"\"\"\n2,\"\"\"\"\n3,\"\"\n", []string{`2 1|say "hi"`, `3 2|"`, "4 3|"}},
		"space around marks":         {"to,name\n 1, \"a,b\" \n", []string{"2 1|a,b"}},
		"a mark within a field":      {"to,name\n1,5\" pipe\n2,b\n", []string{`2 1|5" pipe`, "3 2|b"}},
		"something behind a mark":    {"to,name\n1,\"a\"b\n2,c\n", []string{"2 " + after, "3 2|c"}},
		"another number":             {"to,name\n1\n2,a,b\n3,c\n", []string{"2 " + count, "3 " + count, "4 3|c"}},
		"a mark that is never shut":  {"to,name\n1,\"a\n2,b\n3,c\n", []string{"2 " + open, "3 2|b", "4 3|c"}},
		"never shut, the last line":  {"to,name\n1,a\n2,\"b", []string{"2 1|a", "3 " + open}},
		"a long row":                 {"to\n" + strings.Repeat("9", 10<<20) + "\n1\n", []string{"2 " + long, "3 1"}},
		"a long row at the end":      {"to\n1\n" + strings.Repeat("9", 10<<20), []string{"2 1", "3 " + long}},
		"a long row between marks":   {"to,name\n1,\"" + strings.Repeat("a", 1<<20) + "\"\n2,b\n", []string{"2 " + open, "3 2|b"}},
		"many lines in a mark":       {"to,name\n1,\"a" + strings.Repeat("\nx,y", 2) + strings.Repeat(" ", 70<<10), []string{"2 " + open, "3 x|y", "4 " + long}},
		"a row of nearly 64 KiB":     {"to\n" + strings.Repeat("9", 64<<10-1) + "\n1\n", []string{"2 " + strings.Repeat("9", 64<<10-1), "3 1"}},
		"a null byte":                {"to\n1\n2\x003\n\x00\n4\n", []string{"2 1", "3 " + null, "4 " + null, "5 4"}},
		"empty rows and one of none": {"to,email\n\n  \n,\n\n", []string{"4 |"}},
	} {
		t.Run(name, func(t *testing.T) {
			for way, file := range map[string]io.Reader{
				"at once": strings.NewReader(f.file), "in halves": iotest.HalfReader(strings.NewReader(f.file)),
				"with its end": iotest.DataErrReader(strings.NewReader(f.file)),
			} {
				rows, err := told(t, file)
				if err != nil || fmt.Sprint(rows) != fmt.Sprint(f.rows) {
					t.Errorf("%s: %.200q, %v", way, rows, err)
				}
			}
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for name, f := range map[string]struct{ file, code string }{
		"empty":               {"", "empty_file"},
		"empty lines":         {"\n\r\n \n", "empty_file"},
		"no header":           {"+447700900001\n+447700900002\n", "no_header"},
		"other columns":       {"phone,name\n1,2\n", "no_header"},
		"a column twice":      {"to,To\n1,2\n", "two_columns"},
		"UTF-16":              {"\xff\xfet\x00o\x00\n\x00", "not_utf8"},
		"UTF-16, big":         {"\xfe\xff\x00t\x00o", "not_utf8"},
		"Latin-1":             {"to,Stra\xdfe\n1,2\n", "not_utf8"},
		"gzip":                {"\x1f\x8b\x08\x00abc", "not_csv"},
		"a spreadsheet":       {"PK\x03\x04abc", "not_csv"},
		"an old spreadsheet":  {"\xd0\xcf\x11\xe0abc", "not_csv"},
		"bytes":               {"\x00\x01\x02to,\x00\n", "not_csv"},
		"a header that is 1M": {strings.Repeat("to,", 1<<20), "no_header"},
		"an open mark":        {"\"to\n1\n", "no_header"},
		"JSON":                {`{"to":"+44"}` + "\n", "no_header"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := told(t, strings.NewReader(f.file))
			wrong, ok := errors.AsType[*fault.Error](err)
			if !ok || wrong.Code != f.code || wrong.Kind != fault.Unprocessable {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAFileThatBreaksOffIsNoWholeOne(t *testing.T) {
	gone := errors.New("gone")
	for _, text := range []string{"", "t", "to\n", "to\n12", "to,at\n\"1\n", "to\n" + strings.Repeat("9", 1<<20)} {
		if _, err := told(t, io.MultiReader(strings.NewReader(text), iotest.ErrReader(gone))); !errors.Is(err, gone) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// FuzzTable looks at what must hold of every file: it is read alike however it comes, in lines that grow and that it has.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{
		"to,email,channel,at\n+447700900001,,wa,2026-11-22\n", "to;at\r\n\"1\"\"\";\"\n\"\r\n", "\xef\xbb\xbfto\t\"x\n\"\n1\t\"",
		"email\na@example.com\n\n\"", "to,\n1,\"a\"b\n\"\"\"\",",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		rows, err := told(t, bytes.NewReader(file))
		again, err2 := told(t, iotest.OneByteReader(bytes.NewReader(file)))
		if fmt.Sprint(rows, err) != fmt.Sprint(again, err2) {
			t.Fatalf("%q and %q", rows, again)
		}
		lines, last := bytes.Count(file, []byte{'\n'})+1, 1
		for _, row := range rows {
			var line int
			if _, err := fmt.Sscan(row, &line); err != nil || line <= last && last > 1 || line <= 1 || line > lines {
				t.Fatalf("line %d after %d of %d", line, last, lines)
			}
			last = line
		}
	})
}
