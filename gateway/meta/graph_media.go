package meta

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/outbound"
)

// UploadMedia uploads a file for a channel's number and gives Meta's id of it: write writes its bytes, which are size many, and
// only a piece of them is in memory. An outbound.Refusal says that Meta will not have it, every other error that nobody knows.
func (g *Graph) UploadMedia(ctx context.Context, account, channel, mime, name string, size int64, write func(context.Context, io.Writer) error) (id string, err error) {
	number, token, ok := g.tokens(account, channel)
	if !ok {
		return "", errNoToken
	}
	before, after, boundary, err := around(mime, name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	from, to := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := fill(ctx, to, before, after, size, write)
		_ = to.CloseWithError(err)
		written <- err
	}()
	said, err := g.ask(ctx, question{
		method: http.MethodPost, path: []string{number, "media"}, token: token, kind: "multipart/form-data; boundary=" + boundary,
		body: from, length: int64(len(before)+len(after)) + size, maxBytes: maxAnswer,
	})
	cancel()
	_ = from.Close()
	if failed := <-written; err != nil && failed != nil && !errors.Is(failed, io.ErrClosedPipe) && !errors.Is(failed, context.Canceled) {
		err = failed // the file could not be read, which is no fault of Meta's
	}
	if err != nil {
		return "", err
	}
	if id = said.text("id"); id == "" {
		return "", graphAway(errors.New("graph's answer to an upload holds no id"))
	}
	return id, nil
}

// around gives what stands before and after a file's bytes in the form.
func around(mime, name string) (before, after []byte, boundary string, err error) {
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	for _, field := range [][2]string{{"messaging_product", chat.WhatsApp}, {"type", mime}} {
		if err := form.WriteField(field[0], field[1]); err != nil {
			return nil, nil, "", err
		}
	}
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", `form-data; name="file"; filename="`+tame(name)+`"`)
	header.Set("Content-Type", mime)
	if _, err := form.CreatePart(header); err != nil {
		return nil, nil, "", err
	}
	n := text.Len()
	if err := form.Close(); err != nil {
		return nil, nil, "", err
	}
	return text.Bytes()[:n], text.Bytes()[n:], form.Boundary(), nil
}

// tame makes a file's name one that may stand in a header.
func tame(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, name)
}

// fill writes the form. Fewer or more bytes of the file than were announced are an error.
func fill(ctx context.Context, to io.Writer, before, after []byte, size int64, write func(context.Context, io.Writer) error) error {
	if _, err := to.Write(before); err != nil {
		return err
	}
	count := &counted{to: to}
	if err := write(ctx, count); err != nil {
		return err
	}
	if count.n != size {
		return errors.New("the file has not as many bytes as it should")
	}
	_, err := to.Write(after)
	return err
}

type counted struct {
	to io.Writer
	n  int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// DeleteMedia deletes a file at Meta. One that is not there any more is deleted.
func (g *Graph) DeleteMedia(ctx context.Context, account, channel, id string) error {
	_, token, ok := g.tokens(account, channel)
	if !ok {
		return errNoToken
	}
	_, err := g.ask(ctx, question{method: http.MethodDelete, path: []string{id}, token: token, maxBytes: maxAnswer})
	if r, no := errors.AsType[*outbound.Refusal](err); no && r.Advice == outbound.Fail {
		return nil
	}
	return err
}
