package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
)

// mediaCommand is all that concerns the files that messages show.
type mediaCommand struct {
	List   mediaListCommand   `cmd:"" default:"withargs" help:"Show the account's files."`
	Upload mediaUploadCommand `cmd:"" help:"Add a file; the same bytes once more are the same file."`
	Delete mediaDeleteCommand `cmd:"" help:"Delete one, here and at Meta."`
}

type mediaListCommand struct {
	gatewayFlags
	outputFlags
}

// Run shows the library.
func (c *mediaListCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "id", "name", "kind", "mime_type", "size", "created")
	return c.client().pages(ctx, "/v1/media", nil, p.rows)
}

type mediaUploadCommand struct {
	File string `arg:"" placeholder:"FILE" help:"An image, video, audio, document or sticker: what it is, its content says."`
	Name string `placeholder:"NAME" help:"What it is called; by default the file's own name."`
	gatewayFlags
	outputFlags
}

// Run adds a file, which is read as it is sent.
func (c *mediaUploadCommand) Run(ctx context.Context, t terminal) error {
	file, err := os.Open(c.File)
	if err != nil {
		return usageError{err}
	}
	defer file.Close() //nolint:errcheck // it was read
	about, err := file.Stat()
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name = filepath.Base(c.File)
	}
	request, err := c.client().request(ctx, http.MethodPost, "/v1/media", url.Values{"name": {name}}, nil)
	if err != nil {
		return err
	}
	request.Body, request.ContentLength = file, about.Size()
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set("Expect", "100-continue") // who is refused need not send it all
	answer, err := c.client().do(request)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	var added json.RawMessage
	if err := json.NewDecoder(io.LimitReader(answer, maxAnswer)).Decode(&added); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return c.printer(t).object(added)
}

type mediaDeleteCommand struct {
	ID string `arg:"" help:"The file's id."`
	gatewayFlags
}

// Run deletes a file.
func (c *mediaDeleteCommand) Run(ctx context.Context, t terminal) error {
	answer, err := c.client().call(ctx, http.MethodDelete, "/v1/media/"+url.PathEscape(c.ID), nil, nil)
	if err != nil {
		return err
	}
	t.printf("deleted\n")
	return answer.Close()
}
