package api

import (
	"context"
	"errors"
	"io"
	"mime"
	multi "mime/multipart"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"optgate/gateway/httpd"
	"optgate/pipeline/fault"
	"optgate/pipeline/media"
	"optgate/pipeline/optout"
)

const (
	mediaBody  = media.MaxFile + 64<<10 // bytes, with what a form wraps around the file
	mediaAll   = 8                      // files that this process takes in at once
	mediaOfOne = 4                      // of them, of one account
	mediaOut   = 64                     // files that this process gives out at once
	mediaOutTo = 32                     // of them, to one account
)

// createMedia takes a file into the library as it arrives: the body as it is, or the field file of a form. What it is, its
// content says. The same bytes once more are the same file.
func (a *API) createMedia(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	if _, err := c.idempotency(); err != nil {
		return err
	}
	if encoding := strings.ToLower(c.header("Content-Encoding")); encoding != "" && encoding != "identity" {
		return fault.New(fault.Unprocessable, "unknown_encoding", "Send the file as it is, without Content-Encoding.")
	}
	done, err := a.uploading.begin(c.account)
	if err != nil {
		return err
	}
	defer done()
	stream, err := httpd.Body(c.rc, mediaBody)
	if err != nil {
		return err
	}
	file, err := fileIn(stream, c.header("Content-Type"), c.query("name"))
	if err != nil {
		return err
	}
	blob := chance()
	if err := a.beginMedia(c, blob); err != nil {
		return err
	}
	content, err := a.writeMedia(c, stream, blob, file)
	c.afresh()
	if err != nil {
		a.dropMedia(c, blob)
		return err
	}
	return a.addMedia(c, account, content, file.name)
}

// beginMedia says that chunks will come, so that they are swept if they come to nothing.
func (a *API) beginMedia(c *call, blob string) error {
	command, err := media.NewBegin(chance(), c.account, blob, a.Now())
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, a.Shards.Account(c.account), command)
	if err == nil && answer == nil {
		err = fault.New(fault.Unavailable, "unavailable", "The file could not be kept just now. Send it again.")
	}
	return err
}

func (a *API) writeMedia(c *call, stream *httpd.BodyStream, blob string, file *formFile) (media.Content, error) {
	ctx, stop := stream.Context(c.base)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, media.WriteTime)
	defer cancel()
	content, err := media.Write(ctx, a.Shards, a.Publisher, c.account, blob, file)
	if err == nil {
		err = file.end()
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return content, fault.Wrap(err, fault.Invalid, "too_slow", "The file took over an hour to come. Send it again on a faster line.")
	}
	return content, err
}

// dropMedia gives a file up at once. Where that can't be kept, the tender of the library does it later.
func (a *API) dropMedia(c *call, blob string) {
	command, err := media.NewDrop(chance(), c.account, blob, a.Now())
	if err == nil {
		_, err = a.publish(c.ctx, a.Shards.Account(c.account), command)
	}
	if err != nil {
		a.Log.Debug().Err(err).Msg("a file that broke off is swept later")
	}
}

func (a *API) addMedia(c *call, account optout.Account, content media.Content, name string) error {
	id, _, err := a.once(c, account, []byte(content.SHA256+"\n"+name))
	if err != nil {
		a.dropMedia(c, content.Blob)
		return err
	}
	command, err := media.NewAdd(id+".media", c.account, media.ID(account.Key, content.SHA256), name, content, a.Now())
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, a.Shards.Account(c.account), command)
	if err == nil && answer == nil {
		err = fault.New(fault.Unavailable, "unavailable", "The file was kept and is not in the library yet. Send it again: the same bytes are the same file.")
	}
	if err != nil {
		return err
	}
	added, err := valueOf[media.Added](answer)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if added.Existed {
		status = http.StatusOK
	}
	c.rc.Response.Header.Set("Location", "/v1/media/"+added.Media.ID)
	return c.answer(status, viewMedia(added.Media))
}

// formFile is a file on its way, with what its sender calls it.
type formFile struct {
	io.Reader

	name string
	form *multi.Reader // nil: the body is the file
}

// fileIn finds the file in a body of a Content-Type. A name that the query gives goes before that in the form.
func fileIn(body io.Reader, contentType, name string) (*formFile, error) {
	name = tidy(name)
	if !strings.HasPrefix(strings.ToLower(contentType), "multipart/") {
		return &formFile{Reader: body, name: name}, nil
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, noFile()
	}
	form := multi.NewReader(body, params["boundary"])
	for range mostFields {
		part, err := form.NextRawPart()
		if err != nil {
			return nil, ofForm(err)
		}
		if part.FormName() != "file" {
			continue
		}
		if name == "" {
			name = tidy(part.FileName())
		}
		return &formFile{Reader: formReader{part}, name: name, form: form}, nil
	}
	return nil, noFile()
}

// mostFields is how many fields of a form may stand before the file.
const mostFields = 10

// end makes sure that nothing comes after the file: what would be passed over in silence is missed later.
func (f *formFile) end() error {
	if f.form == nil {
		return nil
	}
	_, err := f.form.NextRawPart()
	switch {
	case err == nil:
		return fault.New(fault.Unprocessable, "several_files", "The form holds something after the file. Send one file, as the last field.")
	case errors.Is(err, io.EOF):
		return nil
	}
	return ofForm(err)
}

// formReader reads a part; one that breaks off is the sender's fault.
type formReader struct{ part *multi.Part }

func (r formReader) Read(p []byte) (int, error) {
	n, err := r.part.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = ofForm(err)
	}
	return n, err
}

func ofForm(err error) error {
	if _, told := errors.AsType[*fault.Error](err); told {
		return err
	}
	if errors.Is(err, io.EOF) {
		return noFile()
	}
	return fault.Wrap(err, fault.Invalid, "broken_off", "The form breaks off before its end. Send it again.")
}

func noFile() error {
	return fault.New(fault.Unprocessable, "no_file", "The form holds no field named file. Send the file as the body itself, or as multipart/form-data with the field file.")
}

// tidy makes a file's name one that can be shown: without folders and control characters, not too long.
func tidy(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, ""), `\`, "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, name))
	if name == "." || name == "/" || name == ".." {
		return ""
	}
	for utf8.RuneCountInString(name) > media.MaxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}
