package imports

import (
	"io"
	"strings"

	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
)

// Table reads the rows of a file of opt-outs; see csvfile.
type Table struct {
	file    *csvfile.File
	columns map[string]int
	ignored []string
}

// Row is one row of a table.
type Row = csvfile.Row

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
	f, err := csvfile.Open(file, "to, email, channel and at")
	if err != nil {
		return nil, err
	}
	t := &Table{file: f, columns: map[string]int{}}
	for i, name := range f.Header {
		known := strings.ToLower(name)
		switch known {
		case columnTo, columnEmail, columnChannel, columnAt:
			if _, twice := t.columns[known]; twice {
				return nil, unreadable("two_columns", "The first line names the column "+known+" twice.")
			}
			t.columns[known] = i
		default:
			t.ignore(name)
		}
	}
	_, to := t.columns[columnTo]
	_, email := t.columns[columnEmail]
	if !to && !email {
		return nil, unreadable("no_header", "The first line names the columns: at least one of them is to or email.")
	}
	return t, nil
}

// Ignored names the columns that say nothing to an import.
func (t *Table) Ignored() []string { return t.ignored }

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

// Next gives the next row that is not empty; io.EOF at the end, and whatever else reading the file gave.
func (t *Table) Next() (Row, error) { return t.file.Next() }

// field gives a column of a row that can be read; "" where the file has no such column.
func (t *Table) field(r Row, column string) string {
	i, there := t.columns[column]
	if !there {
		return ""
	}
	return r.Fields[i]
}

// Line is the line to which the table was read.
func (t *Table) Line() int { return t.file.Line() }

func unreadable(code, msg string) error { return fault.New(fault.Unprocessable, code, "%s", msg) }
