package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
)

// lookEvery is how often a bar asks how far the gateway is.
const lookEvery = time.Second

// progress shows a person how many rows of a file the gateway has decided, until stop; to nobody, nothing. What the connection
// has swallowed would tell less: it runs some megabytes ahead.
func (u upload) progress(ctx context.Context, t terminal) (stop func()) {
	if !(terminal{out: t.err}).shows() || u.query.Has("dry_run") || u.path != "/v1/imports" {
		return func() {}
	}
	bar := progressbar.NewOptions(u.rows,
		progressbar.OptionSetWriter(t.err), progressbar.OptionSetDescription("importing"), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookEvery):
			}
			if n, known := u.decided(ctx); known {
				_ = bar.Set(min(n, u.rows-1)) // the end is told by the answer
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		_ = bar.Clear()
	}
}

// decided asks how many rows are. Whatever goes wrong is told by the upload itself.
func (u upload) decided(ctx context.Context) (rows int, known bool) {
	var page struct {
		Data []struct {
			Read int `json:"read"`
		} `json:"data"`
	}
	if u.client.ask(ctx, http.MethodGet, "/v1/imports", url.Values{"key": {u.key}}, nil, &page) != nil || len(page.Data) == 0 {
		return 0, false
	}
	return page.Data[0].Read, true
}

// lineCount counts the lines of what is written to it.
type lineCount struct{ n int }

// Write counts.
func (l *lineCount) Write(p []byte) (int, error) {
	l.n += bytes.Count(p, []byte{'\n'})
	return len(p), nil
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
