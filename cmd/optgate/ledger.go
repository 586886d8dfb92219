package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"optgate/pipeline/optout"
)

type ledgerCommand struct {
	Verify ledgerVerifyCommand `cmd:"" help:"Prove that no row was removed or changed; fails where one was."`
	Heads  ledgerHeadsCommand  `cmd:"" help:"Print the chain of each day's last rows, to be kept elsewhere."`
	Export ledgerExportCommand `cmd:"" help:"Export the account's rows."`
}

type ledgerVerifyCommand struct {
	Heads string `placeholder:"FILE" help:"What ledger heads printed, perhaps long ago; - reads standard input."`
	gatewayFlags
	outputFlags
}

// Run prints a line for each partition, and fails if the ledger isn't what it was.
func (c *ledgerVerifyCommand) Run(ctx context.Context, t terminal) error {
	answer, err := c.ask(ctx, t)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	p := c.printer(t, "partition", "rows", "last_row", "heads", "ok", "head")
	var rows []json.RawMessage // of the table, which is as wide as its longest
	var broken []string
	partitions := 0
	err = lines(answer, func(line []byte) error {
		var v optout.Verdict
		if err := json.Unmarshal(line, &v); err != nil {
			return fmt.Errorf("read a verdict: %w", err)
		}
		partitions++
		if v.Problem != nil {
			broken = append(broken, fmt.Sprintf("partition %d at offset %d: %s", v.Partition, v.Problem.Offset, v.Problem.What))
		}
		if c.Output == "json" {
			return p.rows([]json.RawMessage{line})
		}
		rows = append(rows, bytes.Clone(line))
		return nil
	})
	if len(rows) > 0 {
		err = errors.Join(err, p.rows(rows))
	}
	switch {
	case err != nil:
		return err
	case partitions == 0:
		return errors.New("the gateway told of no partition")
	case len(broken) > 0:
		return errors.New(plainLines(append([]string{"the ledger is not what it was:"}, broken...)))
	}
	return nil
}

// ask asks for the proof, against heads if there are any.
func (c *ledgerVerifyCommand) ask(ctx context.Context, t terminal) (io.ReadCloser, error) {
	if c.Heads == "" {
		return c.client().call(ctx, http.MethodGet, "/v1/ledger/verify", nil, nil)
	}
	heads, err := readFile(c.Heads, t)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(heads)) == 0 {
		return nil, usageError{fmt.Errorf("--heads: %s holds none", c.Heads)}
	}
	return c.client().post(ctx, "/v1/ledger/verify", "application/x-ndjson", heads)
}

// mostRead bounds a file that goes along with a call.
const mostRead = 32 << 20

// readFile reads a file of at most 32 MiB, or standard input where it is called -.
func readFile(name string, t terminal) ([]byte, error) {
	from := t.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError{err}
		}
		defer file.Close() //nolint:errcheck // it is only read
		from = file
	}
	data, err := io.ReadAll(io.LimitReader(from, mostRead+1))
	if err == nil && len(data) > mostRead {
		err = usageError{fmt.Errorf("%s is larger than %d MiB", name, mostRead>>20)}
	}
	return data, err
}

type ledgerHeadsCommand struct {
	Since string `placeholder:"TIME" help:"A day as 2026-11-22, a time, or how long ago as 7d; all by default."`
	streamFlags
	gatewayFlags
}

// Run prints one JSON object a line, as verify --heads takes them, or a table where somebody looks.
func (c *ledgerHeadsCommand) Run(ctx context.Context, t terminal) error {
	query := since(url.Values{}, c.Since)
	if c.asJSON(t) {
		return c.client().copy(ctx, t, "/v1/ledger/heads", query)
	}
	answer, err := c.client().call(ctx, http.MethodGet, "/v1/ledger/heads", query, nil)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	var rows []json.RawMessage
	err = lines(answer, func(line []byte) error {
		rows = append(rows, bytes.Clone(line))
		return nil
	})
	p := printer{to: t.out, columns: []string{"day", "partition", "offset", "chain"}}
	return errors.Join(err, p.rows(rows))
}

type ledgerExportCommand struct {
	exportFlags
	Since string `placeholder:"TIME" help:"Only rows decided then or later: a day, a time, or how long ago as 7d."`
	Until string `placeholder:"TIME" help:"Only rows decided before."`
	List  string `placeholder:"LIST" help:"Only rows of this list."`
	To    string `placeholder:"NUMBER" help:"Only rows of this phone, BSUID or e-mail address."`
	gatewayFlags
}

// Run prints the rows as they come.
func (c *ledgerExportCommand) Run(ctx context.Context, t terminal) error {
	query := since(url.Values{"format": {c.format()}}, c.Since)
	for name, value := range map[string]string{"until": c.Until, "list": c.List, "to": c.To} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return c.client().copy(ctx, t, "/v1/ledger", query)
}

func since(query url.Values, text string) url.Values {
	if text != "" {
		query.Set("since", text)
	}
	return query
}

// copy prints an answer as it comes. One that breaks off is an error.
func (c client) copy(ctx context.Context, t terminal, path string, query url.Values) error {
	answer, err := c.call(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	if _, err := io.Copy(t.out, answer); err != nil {
		return fmt.Errorf("the stream broke off: %w", err)
	}
	return nil
}

// post makes one call with a body that is no JSON object, and gives the body of its answer, which the caller closes.
func (c client) post(ctx context.Context, path, kind string, body []byte) (io.ReadCloser, error) {
	request, err := c.request(ctx, http.MethodPost, path, nil, nil)
	if err != nil {
		return nil, err
	}
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	request.Header.Set("Content-Type", kind)
	return c.do(request)
}
