package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

type tailCommand struct {
	Topic  string `arg:"" help:"The topic's short name, as inbound, commands, consent, events or dead."`
	From   string `default:"beginning" placeholder:"PLACE" help:"beginning, end, or a time as 2026-11-22T10:00:00Z."`
	Follow bool   `short:"f" help:"Go on at the end, with what comes."`
	streamFlags
	gatewayFlags
}

// Run prints records until the end of the topic or, following it, of ctx.
func (c *tailCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{"from": {c.From}, "follow": {strconv.FormatBool(c.Follow)}}
	records, err := c.client().call(ctx, http.MethodGet, "/v1/tail/"+url.PathEscape(c.Topic), query, nil)
	if err != nil {
		return err
	}
	defer records.Close() //nolint:errcheck // it was read
	asJSON := c.asJSON(t)
	err = lines(records, func(line []byte) error {
		if asJSON {
			_, err := t.out.Write(append(line, '\n'))
			return err
		}
		return printRecord(t, line)
	})
	if ctx.Err() != nil {
		return nil // told to stop
	}
	return err
}

// lines gives each line of a stream, without its end. A stream that breaks off is an error.
func lines(stream io.Reader, each func(line []byte) error) error {
	in := bufio.NewReaderSize(stream, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			if err := each(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the stream broke off: %w", err)
		}
	}
}

// record is one record of a topic, as tail gives it.
type record struct {
	Topic     string            `json:"topic"`
	Partition int               `json:"partition"`
	Offset    int64             `json:"offset"`
	At        string            `json:"at"`
	Key       string            `json:"key"`
	Value     json.RawMessage   `json:"value"` // JSON as it is, anything else as a string, null for a tombstone
	Headers   map[string]string `json:"headers"`
}

func printRecord(t terminal, line []byte) error {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("read a record: %w", err)
	}
	t.printf("%-10s %-24s %-28s %s\n", fmt.Sprintf("%d/%d", r.Partition, r.Offset), r.At, plain(r.Key), cell(r.Value))
	return nil
}
