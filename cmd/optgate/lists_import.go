package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

type listsImportCommand struct {
	listArgument
	File    string `arg:"" placeholder:"FILE" help:"A CSV file whose first line names the columns: to, email, channel, at."`
	Channel string `placeholder:"ID" help:"Of rows that name none: a channel's id, or * for all."`
	Country string `placeholder:"GB" help:"Of phones without a country code; by default that of their channel."`
	NoFeed  bool   `help:"Don't tell the list's webhook URL of each entry."`
	DryRun  bool   `help:"Only say what would change."`
	Again   bool   `help:"Import the file anew, though it was imported in the last 30 days."`
	Refused string `placeholder:"FILE" help:"Write refused rows there, as CSV, instead of showing them."`
	gatewayFlags
	outputFlags
}

// Run imports a file: it exits with 1 where any row was refused. Run again after a break, it goes on where it was.
func (c *listsImportCommand) Run(ctx context.Context, t terminal) error {
	file, err := os.Open(c.File)
	if err != nil {
		return usageError{err}
	}
	defer file.Close() //nolint:errcheck // it was read
	u := upload{client: c.client(), file: file, path: "/v1/imports", kind: "text/csv", query: c.query(), say: t.err}
	if err := u.digest("optgate-lists-import-", c.Again); err != nil {
		return err
	}
	answer, err := u.send(ctx, t)
	if err != nil {
		return err
	}
	var said struct {
		ID      string            `json:"id"`
		Status  string            `json:"status"`
		Refused int               `json:"refused"`
		Rows    []json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if err := c.printer(t).object(without(answer, "rows")); err != nil {
		return err
	}
	if said.Status != "finished" {
		return errors.New("the import is " + plain(said.Status))
	}
	if said.Refused == 0 {
		return nil
	}
	if err := c.refused(ctx, t, said.ID, said.Rows); err != nil {
		return err
	}
	return fmt.Errorf("rows were refused: %d", said.Refused)
}

func (c *listsImportCommand) query() url.Values {
	query := url.Values{"list": {c.List}}
	for name, value := range map[string]string{"channel": c.Channel, "country": c.Country} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if c.NoFeed {
		query.Set("feed", "false")
	}
	if c.DryRun {
		query.Set("dry_run", "true")
	}
	return query
}

// refused shows the rows that were refused, or writes them into a file. A dry run has told the first of them already.
func (c *listsImportCommand) refused(ctx context.Context, t terminal, id string, rows []json.RawMessage) error {
	switch {
	case c.Refused != "" && !c.DryRun:
		return c.keep(ctx, id)
	case c.Refused != "":
		return writeRefused(c.Refused, rows)
	case c.DryRun:
		return c.printer(t, "line", "reason").rows(rows)
	}
	p, after := c.printer(t, "line", "reason"), ""
	for {
		var page struct {
			Rows []json.RawMessage `json:"rows"`
			Next string            `json:"next"`
		}
		query := url.Values{}
		if after != "" {
			query.Set("after", after)
		}
		if err := c.client().ask(ctx, http.MethodGet, "/v1/imports/"+url.PathEscape(id), query, nil, &page); err != nil {
			return err
		}
		if err := p.rows(page.Rows); err != nil {
			return err
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// keep writes all refused rows of an import into a file.
func (c *listsImportCommand) keep(ctx context.Context, id string) error {
	answer, err := c.client().call(ctx, http.MethodGet, "/v1/imports/"+url.PathEscape(id)+"/refused", url.Values{"format": {"csv"}}, nil)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	file, err := os.Create(c.Refused)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, answer)
	return errors.Join(err, file.Close())
}

// upload is a file on its way to a gateway.
type upload struct {
	client client
	file   io.ReadSeeker
	path   string // of the route
	kind   string // of the file, as Content-Type has it
	size   int64
	rows   int    // about how many
	key    string // by which the gateway knows the file again
	query  url.Values
	say    io.Writer // to a person
}

// digest reads the file once, to know its size and to name it: by what stands in it or, where it is to be taken anew, by chance.
func (u *upload) digest(name string, anew bool) (err error) {
	sum, rows := sha256.New(), &lineCount{}
	if u.size, err = io.Copy(io.MultiWriter(sum, rows), u.file); err != nil {
		return err
	}
	_, _ = io.WriteString(sum, u.query.Encode()) // sorted by name
	u.rows, u.key = max(rows.n, 1), name+hex.EncodeToString(sum.Sum(nil))
	if anew {
		u.key = name + rand.Text()
	}
	return nil
}

// How often a file is sent again, and for how long.
const (
	resendFirst = time.Second
	resendMost  = 30 * time.Second
	resendFor   = 15 * time.Minute // without an answer
)

// send sends the file until it is taken or refused: a connection that breaks, a gateway that stops or is busy, only makes it
// begin again, and the gateway passes over what it has. A gateway that was never there is an error at once.
func (u upload) send(ctx context.Context, t terminal) (json.RawMessage, error) {
	began, met := time.Now(), false
	for wait := resendFirst; ; wait = min(2*wait, resendMost) {
		if _, err := u.file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		stop := u.progress(ctx, t)
		answer, err := u.once(ctx)
		stop()
		met = met || !neverMet(err)
		if err == nil || !met || !passes(err) || time.Since(began) > resendFor || ctx.Err() != nil {
			return answer, err
		}
		_, _ = fmt.Fprintf(u.say, "optgate: %s\n  sending the file again in %v\n", err, wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// once sends the file once. There is no limit of time: the gateway reads no faster than it decides.
func (u upload) once(ctx context.Context) (json.RawMessage, error) {
	request, err := u.client.request(ctx, http.MethodPost, u.path, u.query, nil)
	if err != nil {
		return nil, err
	}
	request.Body, request.ContentLength = io.NopCloser(u.file), u.size
	request.Header.Set("Content-Type", u.kind)
	request.Header.Set("Idempotency-Key", u.key)
	return u.client.read(request)
}

// neverMet says whether an error means that nothing listens: before anything was sent that is a wrong address, not a break.
func neverMet(err error) bool {
	wrong, ok := errors.AsType[*net.OpError](err)
	return ok && wrong.Op == "dial"
}

// passes says whether an error may be gone when the file is sent again.
func passes(err error) bool {
	r, told := errors.AsType[*refused](err)
	if !told {
		return !errors.As(err, &usageError{})
	}
	if r.Code == "broken_off" || r.Code == "too_slow" {
		return true
	}
	return r.Status == http.StatusServiceUnavailable || r.Status == http.StatusTooManyRequests
}
