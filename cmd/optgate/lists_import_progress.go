package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/schollz/progressbar/v3"
)

// bar shows a person how much of a file is sent; to nobody, nothing.
type bar struct{ shown *progressbar.ProgressBar }

func progress(t terminal, size int64) bar {
	if !(terminal{out: t.err}).shows() {
		return bar{}
	}
	return bar{progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(t.err), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription("importing"),
		progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())}
}

// Write counts what is sent. It never fails: a bar that can't be drawn stops no upload.
func (b bar) Write(p []byte) (int, error) {
	if b.shown != nil {
		_ = b.shown.Add(len(p))
	}
	return len(p), nil
}

func (b bar) end() {
	if b.shown != nil {
		_ = b.shown.Clear()
	}
}

// without gives an object without one of its members.
func without(object json.RawMessage, name string) json.RawMessage {
	names, members, err := inOrder(object)
	if err != nil {
		return object
	}
	out := []byte{'{'}
	for _, one := range names {
		if one == name {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(strconv.AppendQuote(out, one), ':')
		out = append(out, members[one]...)
	}
	return append(out, '}')
}

// writeRefused writes rows that were told into a file.
func writeRefused(path string, rows []json.RawMessage) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(file)
	err = w.Write([]string{"line", "reason"})
	for _, raw := range rows {
		var row struct {
			Line   int    `json:"line"`
			Reason string `json:"reason"`
		}
		if err == nil {
			err = json.Unmarshal(raw, &row)
		}
		if err == nil {
			err = w.Write([]string{strconv.Itoa(row.Line), row.Reason})
		}
	}
	w.Flush()
	if err = errors.Join(err, w.Error(), file.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
