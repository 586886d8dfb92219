// Package csvfile reads what people call CSV: as RFC 4180 has it, and as spreadsheets write it. It knows no column.
package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"optgate/pipeline/fault"
)

// longestRow is how many bytes a row may have.
const longestRow = 64 << 10

// File reads the rows of a file, whatever ends its lines and whichever of comma, semicolon and tab divides its fields. It holds
// one row at a time, and a row that can't be read harms no other.
type File struct {
	Header []string // of the first line that is not empty, as it stands there

	from   *bufio.Reader
	comma  byte
	line   int // of the next row
	opened bool
}

// Refusal is a row that was not taken, as its sender is told of it.
type Refusal struct {
	Line   int    `json:"line"` // of the file, where the row begins; the first line is 1
	Reason string `json:"reason"`
}

// Row is one row of a file.
type Row struct {
	Line   int    // where it begins; the first line of the file is 1
	Wrong  string // why it can't be read; "" where it can
	Fields []string
}

// Open reads a file's header. A file that is no CSV is a fault.Unprocessable that says what to do; columns says there what the
// first line should name, as "to and email".
func Open(file io.Reader, columns string) (*File, error) {
	f := &File{from: bufio.NewReaderSize(file, longestRow), line: 1}
	begin, err := f.from.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(begin, []byte{0xff, 0xfe}), bytes.HasPrefix(begin, []byte{0xfe, 0xff}):
		return nil, unreadable("not_utf8", "The file is UTF-16: save it as CSV in UTF-8.")
	case bytes.HasPrefix(begin, []byte{0x1f, 0x8b}), bytes.HasPrefix(begin, []byte("PK\x03\x04")), bytes.HasPrefix(begin, []byte{0xd0, 0xcf, 0x11, 0xe0}):
		return nil, unreadable("not_csv", "The file is an archive or a spreadsheet: save it as CSV in UTF-8. (Of gzip, Content-Encoding tells.)")
	case bytes.HasPrefix(begin, []byte("\xef\xbb\xbf")):
		_, _ = f.from.Discard(3) // is in the buffer
	}
	if err := f.header(columns); err != nil {
		return nil, err
	}
	f.opened = true
	return f, nil
}

// header reads the first line that is not empty. A line as "sep=;" before it says what divides the fields.
func (f *File) header(columns string) error {
	raw, err := f.first()
	if err == nil && raw.wrong == "" {
		if divider := told(raw.text); divider != 0 {
			f.comma = divider
			raw, err = f.first()
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return unreadable("empty_file", "The file is empty: its first line names the columns "+columns+".")
	case err != nil:
		return err
	case bytes.IndexByte(raw.text, 0) >= 0:
		return unreadable("not_csv", "The file is no text: save it as CSV in UTF-8.")
	case !utf8.Valid(raw.text):
		return unreadable("not_utf8", "The file is not in UTF-8 (but perhaps in Latin-1): save it as CSV in UTF-8.")
	case raw.wrong != "":
		return unreadable("no_header", "The first line can't be read; it names the columns "+columns+". "+raw.wrong)
	}
	if f.comma == 0 {
		f.comma = divider(raw.text)
	}
	var wrong string
	if f.Header, wrong = split(string(raw.text), f.comma); wrong != "" {
		return unreadable("no_header", "The first line can't be read; it names the columns "+columns+". "+wrong)
	}
	return nil
}

// first reads up to a line that is not empty.
func (f *File) first() (raw record, err error) {
	for {
		raw, err = f.record()
		if err != nil || raw.wrong != "" || len(bytes.TrimSpace(raw.text)) > 0 {
			return raw, err
		}
	}
}

// told gives the divider that a spreadsheet's "sep=;" names; 0: the line is something else.
func told(line []byte) byte {
	rest, ok := bytes.CutPrefix(bytes.ToLower(bytes.Trim(line, " \"")), []byte("sep="))
	if ok && len(rest) == 1 && (rest[0] == ',' || rest[0] == ';' || rest[0] == '\t' || rest[0] == '|') {
		return rest[0]
	}
	return 0
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
func (f *File) Next() (Row, error) {
	for {
		line := f.line
		raw, err := f.record()
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
		row.Fields, row.Wrong = split(string(raw.text), f.comma)
		if row.Wrong == "" && len(row.Fields) != len(f.Header) {
			row.Wrong = "The row has another number of fields than the header."
		}
		return row, nil
	}
}

// Line is the line to which the file was read.
func (f *File) Line() int { return f.line - 1 }

func unreadable(code, msg string) error { return fault.New(fault.Unprocessable, code, "%s", msg) }
