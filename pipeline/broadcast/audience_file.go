package broadcast

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// Line is one row of an uploaded file, as it stands there.
type Line struct {
	At     int               // where it begins; the first line of the file is 1
	To     string            // as given
	Params map[string]string // what is empty is not there
	Wrong  string            // why it can't be read as a row; "" where it can
}

// Lines reads the rows of an uploaded file, one at a time.
type Lines interface {
	// Next gives the next row; io.EOF at the end, and whatever else reading the file gave.
	Next() (Line, error)
	// Columns names what rows bring besides whom they are for: all of them once the file is read.
	Columns() []string
}

// OpenLines reads the beginning of an uploaded file of some content type: text/csv, which is assumed where there is none, or
// application/x-ndjson. A file that is none of these, or that has no column for whom a row is for, is a fault.Unprocessable that
// says what to do.
func OpenLines(contentType string, file io.Reader) (Lines, error) {
	kind, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "", "text/csv", "application/csv":
		return openSheet(file)
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return openObjects(file), nil
	}
	return nil, fault.New(fault.Unprocessable, "unknown_type", "Send the file as the body itself, with Content-Type text/csv or application/x-ndjson.")
}

// recipientColumns are the names of the column that says whom a row is for, in any case; the first that a file has counts.
var recipientColumns = []string{
	"to", "phone", "mobile", "number", "phone_number", "phone number", "mobile_number", "mobile number", "whatsapp", "msisdn",
}

// Why a line is no row.
const (
	reasonNobody = "The row names nobody: its recipient is empty."
	reasonUTF8   = "The row is not in UTF-8: save the file as CSV in UTF-8."
	reasonGiven  = "The recipient is longer than 256 bytes."
)

// sheet reads a CSV file.
type sheet struct {
	file    *csvfile.File
	to      int
	names   []string // by column; "": it says nothing
	columns []string
}

func openSheet(file io.Reader) (*sheet, error) {
	f, err := csvfile.Open(file, "to, and what messages say besides")
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(f.Header, func(name string) bool { return strings.Contains(name, "\r") }) {
		return nil, fault.New(fault.Unprocessable, "line_ends", "The file's lines end as those of old Macs: save it as CSV in UTF-8, with the line ends of Windows or Unix.")
	}
	s := &sheet{file: f, to: recipientColumn(f.Header), names: make([]string, len(f.Header))}
	if s.to < 0 {
		return nil, fault.New(fault.Unprocessable, "no_header", "The first line names the columns: one of them is to, or phone or mobile.")
	}
	seen := map[string]bool{}
	for i, name := range f.Header {
		if i == s.to || name == "" {
			continue
		}
		switch {
		case seen[name]:
			return nil, fault.New(fault.Unprocessable, "two_columns", "The first line names one column twice: give each its own name.")
		case utf8.RuneCountInString(name) > maxColumn:
			return nil, fault.New(fault.Unprocessable, "column_too_long", "The name of a column has at most %d characters.", maxColumn)
		case len(s.columns) == MaxColumns:
			return nil, fault.New(fault.Unprocessable, "too_many_columns", "A file has at most %d columns beside its recipients: leave out those that no message needs.", MaxColumns)
		}
		seen[name], s.names[i] = true, name
		s.columns = append(s.columns, name)
	}
	return s, nil
}

// recipientColumn gives the place of the column that says whom a row is for; -1: there is none.
func recipientColumn(header []string) int {
	for _, known := range recipientColumns {
		for i, name := range header {
			if strings.EqualFold(name, known) {
				return i
			}
		}
	}
	return -1
}

// Columns names the columns but the recipient's.
func (s *sheet) Columns() []string { return s.columns }

// Next reads a row.
func (s *sheet) Next() (Line, error) {
	row, err := s.file.Next()
	line := Line{At: row.Line, Wrong: row.Wrong}
	if err != nil || line.Wrong != "" {
		return line, err
	}
	line.To = optout.FromCell(row.Fields[s.to])
	for i, name := range s.names {
		value := row.Fields[i]
		if !utf8.ValidString(value) {
			return Line{At: row.Line, Wrong: reasonUTF8}, nil
		}
		if name == "" || value == "" {
			continue
		}
		if line.Params == nil {
			line.Params = make(map[string]string, len(s.columns))
		}
		line.Params[name] = value
	}
	return line.checked(), nil
}

// checked refuses a line that names nobody, or nobody that could be kept.
func (l Line) checked() Line {
	switch {
	case strings.TrimSpace(l.To) == "":
		l.Wrong = reasonNobody
	case len(l.To) > maxGiven:
		l.Wrong = reasonGiven
	}
	return l
}

// tooMany is the error about a file of more rows than an audience takes.
func tooMany() error {
	return fault.New(fault.TooLarge, "too_many_rows", "An audience takes at most %s rows: cut the file in two, and make a broadcast for each.", grouped(MaxUpload))
}

// grouped writes a number for people.
func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
