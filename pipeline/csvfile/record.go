package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Why a row can't be read.
const (
	wrongLong   = "The row is longer than 64 KiB."
	wrongOpen   = "A quotation mark is opened and not closed."
	wrongNull   = "The row holds a null byte, which no text does."
	wrongClosed = "Something follows a closing quotation mark."
)

// record is a row as it stands in the file, without the end of its line. Its text is good until the next one is read.
type record struct {
	text  []byte
	wrong string
}

// record reads up to the end of a line that no quotation marks enclose. Where these don't close within the longest row, or
// at all, the row ends with its first line.
func (f *File) record() (record, error) {
	var s scanner
	s.comma = f.comma
	for looked := 0; ; {
		window, err := f.from.Peek(max(looked+1, f.from.Buffered()))
		if end := s.scan(window[looked:]); end >= 0 {
			return record{text: f.take(window[:looked+end+1])}, nil
		}
		looked = len(window)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return f.last(window, s.state == quoted)
		case errors.Is(err, bufio.ErrBufferFull):
			return f.cut(window, s.state == quoted)
		default:
			return record{}, err
		}
	}
}

// take takes a row with the end of its line away.
func (f *File) take(row []byte) []byte {
	f.line += bytes.Count(row, []byte{'\n'})
	_, _ = f.from.Discard(len(row)) // is in the buffer, which nothing fills before the next Peek
	return bytes.TrimSuffix(bytes.TrimSuffix(row, []byte{'\n'}), []byte{'\r'})
}

// last takes what stands before the end of the file.
func (f *File) last(rest []byte, open bool) (record, error) {
	if len(rest) == 0 {
		return record{}, io.EOF
	}
	if open {
		return f.pass(rest, wrongOpen)
	}
	f.line++ // it ends without a line's end
	return record{text: f.take(rest)}, nil
}

// cut passes the first line of what is too long.
func (f *File) cut(window []byte, open bool) (record, error) {
	if open {
		return f.pass(window, wrongOpen)
	}
	return f.pass(window, wrongLong)
}

// pass passes one line, however long it is; a header that is too long ends the reading by itself.
func (f *File) pass(window []byte, wrong string) (record, error) {
	if end := bytes.IndexByte(window, '\n'); end >= 0 {
		f.take(window[:end+1])
		return record{wrong: wrong}, nil
	}
	if !f.opened {
		return record{wrong: wrong}, nil
	}
	for {
		_, err := f.from.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return record{}, err
		}
		f.line++
		return record{wrong: wrong}, nil
	}
}

// scanner looks for the end of a row. Only a quotation mark at the beginning of a field encloses anything.
type scanner struct {
	comma byte // 0: in the header, where each of the three divides
	state
}

// state is where in a row the scanner is.
type state uint8

const (
	begins state = iota // a field may begin
	bare                // in a field without quotation marks
	quoted              // between quotation marks
	closed              // behind a quotation mark that closes, unless one more follows
)

// scan gives the place of the line's end that ends the row; -1: it is not there.
func (s *scanner) scan(text []byte) int {
	for i, c := range text {
		if c == '\n' && s.state != quoted {
			return i
		}
		s.state = s.after(c)
	}
	return -1
}

// after gives the state behind a byte that doesn't end the row.
func (s *scanner) after(c byte) state {
	switch {
	case s.state == quoted && c == '"':
		return closed
	case s.state == quoted, s.state != bare && c == '"':
		return quoted
	case s.divides(c):
		return begins
	case s.state == begins && c == ' ', s.state == closed && (c == ' ' || c == '\r'):
		return s.state
	}
	return bare
}

func (s *scanner) divides(c byte) bool {
	if s.comma == 0 {
		return c == ',' || c == ';' || c == '\t'
	}
	return c == s.comma
}

// split gives a row's fields, without the space around them. Two quotation marks in a quoted field are one.
func split(text string, comma byte) (fields []string, wrong string) {
	s := scanner{comma: comma}
	from, enclosed := 0, false
	field := func(to int) {
		one := strings.TrimSpace(text[from:to])
		if enclosed {
			one = strings.TrimSpace(strings.ReplaceAll(one[1:len(one)-1], `""`, `"`))
		}
		fields = append(fields, one)
	}
	for i := range len(text) {
		before := s.state
		s.state = s.after(text[i])
		switch {
		case before != quoted && s.state == begins && s.divides(text[i]):
			field(i)
			from, enclosed = i+1, false
		case s.state == quoted:
			enclosed = true
		case before == closed && s.state == bare:
			return nil, wrongClosed
		}
	}
	if s.state == quoted {
		return nil, wrongOpen
	}
	field(len(text))
	return fields, ""
}
