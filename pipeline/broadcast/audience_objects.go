package broadcast

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"unicode/utf8"
)

// longestLine is how many bytes a line of objects may have.
const longestLine = 64 << 10

// objects reads a file of one JSON object a line, as {"to":"+447700900101","params":{"name":"Ada"}}. It holds one line at a time,
// and a line that can't be read harms no other.
type objects struct {
	from    *bufio.Reader
	line    int
	columns []string
	seen    map[string]bool
}

func openObjects(file io.Reader) *objects {
	return &objects{from: bufio.NewReaderSize(file, longestLine), seen: map[string]bool{}}
}

// Columns names the parameters that were met.
func (o *objects) Columns() []string { return o.columns }

// Next reads a line.
func (o *objects) Next() (Line, error) {
	for {
		text, long, err := o.read()
		if err != nil {
			return Line{At: o.line}, err
		}
		if o.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		}
		switch {
		case long:
			return Line{At: o.line, Wrong: "The line is longer than 64 KiB."}, nil
		case len(bytes.TrimSpace(text)) == 0:
			continue
		case !utf8.Valid(text):
			return Line{At: o.line, Wrong: reasonUTF8}, nil
		}
		return o.object(text), nil
	}
}

// read gives the next line, or says that it is too long, without its end.
func (o *objects) read() (text []byte, long bool, err error) {
	text, err = o.from.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = o.from.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (len(text) > 0 || long) {
		err = nil
	}
	o.line++
	return text, long, err
}

// object reads one.
func (o *objects) object(text []byte) Line {
	var f form
	r := f.recipient("", text)
	if len(f.wrong) > 0 {
		return Line{At: o.line, Wrong: "The line is not as {\"to\":\"+447700900101\",\"params\":{\"name\":\"Ada\"}}: what is wrong is " + wrongIn(f) + "."}
	}
	if len(r.Params) > MaxColumns {
		return Line{At: o.line, Wrong: "The line has more than 100 parameters."}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		if utf8.RuneCountInString(name) > maxColumn {
			return Line{At: o.line, Wrong: "The name of a parameter has more than 100 characters."}
		}
		if !o.seen[name] && len(o.columns) < MaxColumns {
			o.seen[name] = true
			o.columns = append(o.columns, name)
		}
	}
	return Line{At: o.line, To: r.To, Params: r.Params}.checked()
}

// wrongIn names what is at fault in a line, without what anybody wrote there.
func wrongIn(f form) string {
	switch f.wrong[0].Field {
	case "":
		return "that it is no such object, or holds something else beside"
	case ".to":
		return "to, which must be a text of at most 256 bytes"
	}
	return "params, whose values must be texts, numbers, true or false"
}
