package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"optgate/pipeline/broadcast"
)

// rehearse shows what a broadcast would do now. It fails where the broadcast would be refused.
func (c *broadcastCreateCommand) rehearse(ctx context.Context, t terminal, request map[string]any) error {
	post, err := c.client().request(ctx, http.MethodPost, "/v1/broadcasts", url.Values{"dry_run": {"true"}}, request)
	if err != nil {
		return err
	}
	answer, err := c.client().read(post)
	if err != nil {
		return err
	}
	var said broadcast.Rehearsal
	if err := json.Unmarshal(answer, &said); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if c.Output == "json" {
		err = c.printer(t).object(answer)
	} else {
		err = told(t, said)
	}
	if err == nil && len(said.Errors) > 0 {
		err = fmt.Errorf("the broadcast would be refused for %d of its fields", len(said.Errors))
	}
	return err
}

// told prints what a dry run found, for people.
func told(t terminal, said broadcast.Rehearsal) error {
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { writeRow(table, []string{name, fmt.Sprintf(format, args...)}) }
	line("would get it", "%d of %d (%d listed more than once)", said.Go, said.Audience, said.Duplicates)
	for _, s := range said.Skipped {
		line("skipped", "%d %s, list %s", s.Count, plain(s.Error), plain(s.List))
	}
	if said.Invalid > 0 {
		line("fail", "%d %s", said.Invalid, broadcast.InvalidNumber)
	}
	for _, f := range said.Failing {
		line("fail", "%d %s", f.Count, plain(f.Error))
	}
	line("outside the 24-hour window", "%d", said.Outside)
	switch tier := said.Tier; {
	case tier.Unlimited:
		line("tier", "unlimited")
	case tier.Limit != nil && tier.Left != nil:
		line("tier", "%d people in 24 hours, %d left, %d needed", *tier.Limit, *tier.Left, tier.Needed)
	default:
		line("tier", "not known, %d people needed", tier.Needed)
	}
	line("takes", "%s at %g messages a second", time.Duration(said.Seconds)*time.Second, said.Rate)
	for _, w := range said.Warnings {
		line("warning", "%s (%s)", plain(w.Detail), plain(w.Code))
	}
	for _, e := range said.Errors {
		line("error", "%s: %s (%s)", plain(e.Field), plain(e.Detail), plain(e.Code))
	}
	return table.Flush()
}

// watched shows a person how much of a file has been read; to nobody, nothing. Seeking to its beginning begins anew.
func watched(file *os.File, size int64, t terminal) io.ReadSeeker {
	if !(terminal{out: t.err}).shows() {
		return file
	}
	return &meteredFile{file, progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(t.err), progressbar.OptionSetDescription("uploading"), progressbar.OptionShowBytes(true),
		progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())}
}

type meteredFile struct {
	*os.File

	bar *progressbar.ProgressBar
}

// Read reads, and moves the bar.
func (m *meteredFile) Read(p []byte) (int, error) {
	n, err := m.File.Read(p)
	_ = m.bar.Add(n)
	return n, err
}

// Seek seeks, and moves the bar.
func (m *meteredFile) Seek(offset int64, whence int) (int64, error) {
	at, err := m.File.Seek(offset, whence)
	_ = m.bar.Set64(at)
	return at, err
}
