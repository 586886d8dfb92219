package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// outputFlags say how answers are printed.
type outputFlags struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"How to print: table, or json, one object a line."`
}

// streamFlags say how what is mostly kept or piped is printed.
type streamFlags struct {
	Output string `short:"o" enum:"auto,table,json" default:"auto" help:"How to print: table, or json, one object a line; auto: table on a terminal, else json."`
}

func (f streamFlags) asJSON(t terminal) bool {
	return f.Output == "json" || f.Output == "auto" && !t.shows()
}

// printer prints objects of the API: as a table for people, or as they are, one a line, for programs.
type printer struct {
	to      io.Writer
	asJSON  bool
	columns []string // names of members, in the table's order
	titled  bool
}

func (f outputFlags) printer(t terminal, columns ...string) *printer {
	return &printer{to: t.out, asJSON: f.Output == "json", columns: columns}
}

// rows prints one page; columns are as wide as its longest values.
func (p *printer) rows(objects []json.RawMessage) error {
	if p.asJSON {
		return p.lines(objects)
	}
	table := tabwriter.NewWriter(p.to, 0, 0, 2, ' ', 0)
	if !p.titled {
		p.titled = true
		writeRow(table, upper(p.columns))
	}
	for _, object := range objects {
		cells, err := p.cells(object)
		if err != nil {
			return err
		}
		writeRow(table, cells)
	}
	return table.Flush()
}

// lines prints objects one a line.
func (p *printer) lines(objects []json.RawMessage) error {
	var out bytes.Buffer
	for _, object := range objects {
		if err := json.Compact(&out, object); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
		out.WriteByte('\n')
	}
	_, err := p.to.Write(out.Bytes())
	return err
}

func (p *printer) cells(object json.RawMessage) ([]string, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, fmt.Errorf("read a row: %w", err)
	}
	cells := make([]string, len(p.columns))
	for i, column := range p.columns {
		cells[i] = cell(members[column])
	}
	return cells, nil
}

func upper(columns []string) []string {
	titles := make([]string, len(columns))
	for i, column := range columns {
		titles[i] = strings.ToUpper(strings.ReplaceAll(column, "_", " "))
	}
	return titles
}

func writeRow(to io.Writer, cells []string) {
	_, _ = fmt.Fprintln(to, strings.Join(cells, "\t")) // a tabwriter keeps it until Flush, which tells
}

// cell writes a JSON value for people.
func cell(value json.RawMessage) string {
	var text string
	var list []string
	switch {
	case len(value) == 0 || string(value) == "null":
		return "-"
	case json.Unmarshal(value, &text) == nil:
		if text == "" {
			return "-"
		}
		return plain(text)
	case json.Unmarshal(value, &list) == nil:
		return shorten(plain(strings.Join(list, ", ")))
	}
	return shorten(plain(string(value)))
}

// plain replaces what would steer a terminal or a table instead of being seen: whoever writes to the business chose it.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '·'
		}
		return r
	}, text)
}

// plainLines joins what a gateway said, of which some may be somebody else's words.
func plainLines(said []string) string {
	for i := range said {
		said[i] = plain(said[i])
	}
	return strings.Join(said, "\n  ")
}

const widest = 80

func shorten(text string) string {
	if runes := []rune(text); len(runes) > widest {
		return string(runes[:widest-1]) + "…"
	}
	return text
}

// object prints one object: for people a line for each member.
func (p *printer) object(object json.RawMessage) error {
	if p.asJSON {
		return p.lines([]json.RawMessage{object})
	}
	names, members, err := inOrder(object)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(p.to, 0, 0, 2, ' ', 0)
	for _, name := range names {
		writeRow(table, []string{strings.ReplaceAll(name, "_", " "), long(members[name])})
	}
	return table.Flush()
}

// long writes a JSON value for people, however long it is.
func long(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return plain(text)
	}
	return plain(string(value))
}

// inOrder gives an object's members and their names as they follow each other.
func inOrder(object json.RawMessage) (names []string, members map[string]json.RawMessage, err error) {
	members = map[string]json.RawMessage{}
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, nil, fmt.Errorf("read an answer: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("read an answer: %w", err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, fmt.Errorf("read an answer: %w", err)
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return nil, nil, fmt.Errorf("read an answer: %w", err)
		}
		names = append(names, fmt.Sprint(name))
	}
	return names, members, nil
}
