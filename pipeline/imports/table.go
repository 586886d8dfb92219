package imports

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"optgate/pipeline/fault"
)

// longestRow is how many bytes a row may have.
const longestRow = 64 << 10

// Table reads the rows of a CSV file as RFC 4180 has them, whatever ends its lines and whichever of comma, semicolon and tab
// divides its fields. It holds one row at a time, and a row that can't be read harms no other.
type Table struct {
	from    *bufio.Reader
	comma   byte
	line    int // of the next row
	fields  int // of each row
	columns map[string]int
	ignored []string
}

// Row is one row of a table.
type Row struct {
	Line   int    // where it begins
	Wrong  string // why it can't be read; "" where it can
	fields []string
}

// The columns that say something.
const (
	columnTo      = "to"
	columnEmail   = "email"
	columnChannel = "channel"
	columnAt      = "at"
)

// Open reads a file's header. A file that is no CSV, or whose header names neither to nor email, is a fault.Unprocessable that
// says what to do.
func Open(file io.Reader) (*Table, error) {
	t := &Table{from: bufio.NewReaderSize(file, longestRow), line: 1}
	begin, err := t.from.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(begin, []byte{0xff, 0xfe}), bytes.HasPrefix(begin, []byte{0xfe, 0xff}):
		return nil, unreadable("not_utf8", "The file is UTF-16: save it as CSV in UTF-8.")
	case bytes.HasPrefix(begin, []byte{0x1f, 0x8b}), bytes.HasPrefix(begin, []byte("PK\x03\x04")), bytes.HasPrefix(begin, []byte{0xd0, 0xcf, 0x11, 0xe0}):
		return nil, unreadable("not_csv", "The file is an archive or a spreadsheet: save it as CSV in UTF-8. (Of gzip, Content-Encoding tells.)")
	case bytes.HasPrefix(begin, []byte("\xef\xbb\xbf")):
		_, _ = t.from.Discard(3) // is in the buffer
	}
	return t, t.header()
}

// Ignored names the columns that say nothing to an import.
func (t *Table) Ignored() []string { return t.ignored }

// header reads the first line that is not empty.
func (t *Table) header() error {
	raw, err := t.record()
	for err == nil && len(bytes.TrimSpace(raw.text)) == 0 && raw.wrong == "" {
		raw, err = t.record()
	}
	switch {
	case errors.Is(err, io.EOF):
		return unreadable("empty_file", "The file is empty: its first line names the columns to, email, channel and at.")
	case err != nil:
		return err
	case bytes.IndexByte(raw.text, 0) >= 0:
		return unreadable("not_csv", "The file is no text: save it as CSV in UTF-8.")
	case !utf8.Valid(raw.text):
		return unreadable("not_utf8", "The file is not in UTF-8 (but perhaps in Latin-1): save it as CSV in UTF-8.")
	case raw.wrong != "":
		return unreadable("no_header", "The first line can't be read; it names the columns to, email, channel and at. "+raw.wrong)
	}
	t.comma = divider(raw.text)
	fields, wrong := split(string(raw.text), t.comma)
	if wrong != "" {
		return unreadable("no_header", "The first line can't be read; it names the columns to, email, channel and at. "+wrong)
	}
	t.fields, t.columns = len(fields), map[string]int{}
	for i, name := range fields {
		known := strings.ToLower(name)
		switch known {
		case columnTo, columnEmail, columnChannel, columnAt:
			if _, twice := t.columns[known]; twice {
				return unreadable("two_columns", "The first line names the column "+known+" twice.")
			}
			t.columns[known] = i
		default:
			t.ignore(name)
		}
	}
	_, to := t.columns[columnTo]
	_, email := t.columns[columnEmail]
	if !to && !email {
		return unreadable("no_header", "The first line names the columns: at least one of them is to or email.")
	}
	return nil
}

// What is told of columns that say nothing: where somebody's file has a thousand, the first ones do.
const (
	ignoredColumns = 50
	ignoredLength  = 100
)

func (t *Table) ignore(name string) {
	if len(t.ignored) == ignoredColumns {
		return
	}
	if runes := []rune(name); len(runes) > ignoredLength {
		name = string(runes[:ignoredLength])
	}
	t.ignored = append(t.ignored, name)
}

// divider gives what a header is divided by: whichever of the three stands in it most often.
func divider(header []byte) byte {
	best, most := byte(','), 0
	for _, c := range []byte{',', ';', '\t'} {
		if n := bytes.Count(header, []byte{c}); n > most {
			best, most = c, n
		}
	}
	return best
}

// Next gives the next row that is not empty; io.EOF at the end, and whatever else reading the file gave.
func (t *Table) Next() (Row, error) {
	for {
		line := t.line
		raw, err := t.record()
		if err != nil {
			return Row{Line: line}, err
		}
		row := Row{Line: line, Wrong: raw.wrong}
		if row.Wrong != "" {
			return row, nil
		}
		if len(bytes.TrimSpace(raw.text)) == 0 {
			continue
		}
		if bytes.IndexByte(raw.text, 0) >= 0 {
			row.Wrong = wrongNull
			return row, nil
		}
		row.fields, row.Wrong = split(string(raw.text), t.comma)
		if row.Wrong == "" && len(row.fields) != t.fields {
			row.Wrong = "The row has another number of fields than the header."
		}
		return row, nil
	}
}

// field gives a column of a row that can be read; "" where the file has no such column.
func (t *Table) field(r Row, column string) string {
	i, there := t.columns[column]
	if !there {
		return ""
	}
	return r.fields[i]
}

// Line is the line to which the table was read.
func (t *Table) Line() int { return t.line - 1 }

func unreadable(code, msg string) error { return fault.New(fault.Unprocessable, code, "%s", msg) }
