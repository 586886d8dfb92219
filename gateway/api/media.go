package api

import (
	"bufio"
	"context"
	"maps"
	"mime"
	"net/http"
	"slices"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
	"optgate/pipeline/media"
)

// files reads the files of libraries; fault.NotCertain where nobody can know.
type files interface {
	// Get gives nil where there is none.
	Get(ctx context.Context, account, id string) (*media.Media, error)
}

// fileLists pages through the files of a library, the newest first.
type fileLists interface {
	Files(ctx context.Context, account, after string, limit int) (page []media.Media, next string, err error)
}

// MediaOptions is what the media library stands on besides Options.
type MediaOptions struct {
	Files files
	Lists fileLists
}

// listMedia answers GET /v1/media.
func (a *API) listMedia(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	page, next, err := a.Media.Lists.Files(c.ctx, c.account, after, limit)
	if err != nil {
		return err
	}
	views := make([]mediaView, len(page))
	for i, m := range page {
		views[i] = viewMedia(m)
	}
	return c.list(views, next)
}

func (a *API) showMedia(c *call) error {
	m, err := a.mediaOf(c)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, viewMedia(*m))
}

// mediaOf finds the file that a path names. Another account's is not there.
func (a *API) mediaOf(c *call) (*media.Media, error) {
	m, err := a.Media.Files.Get(c.ctx, c.account, c.param("id"))
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fault.New(fault.NotFound, media.CodeNotFound, "There is no such file in the library.")
	}
	return m, nil
}

// streamMedia answers GET /v1/media/{id}/content with the bytes, as a file to be saved: whatever somebody uploaded, no browser is
// to run it in our name.
func (a *API) streamMedia(c *call) error {
	m, err := a.mediaOf(c)
	if err != nil {
		return err
	}
	h := &c.rc.Response.Header
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Disposition", "attachment")
	if said := mime.FormatMediaType("attachment", map[string]string{"filename": m.Name}); m.Name != "" && said != "" {
		h.Set("Content-Disposition", said)
	}
	h.Set("ETag", `"`+m.SHA256+`"`)
	if c.rc.IsHead() {
		h.SetContentType(m.MIME)
		h.SetContentLength(int(m.Size))
		c.rc.Response.SkipBody = true
		return nil
	}
	done, err := a.downloading.begin(c.account) // each holds a chunk or two
	if err != nil {
		return err
	}
	return c.stream(m.MIME, func(ctx context.Context, w *bufio.Writer) error {
		defer done()
		return m.Read(ctx, a.Topics, w)
	})
}

// deleteMedia forgets a file at once; what Meta has of it is removed soon.
func (a *API) deleteMedia(c *call) error {
	m, err := a.mediaOf(c)
	if err != nil {
		return err
	}
	command, err := media.NewDelete(chance(), c.account, m.ID, a.Now())
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, a.Shards.Account(c.account), command)
	switch {
	case err != nil:
		return err
	case answer == nil:
		return c.answer(http.StatusAccepted, acceptedFile{ID: m.ID, Status: "deleting"})
	}
	c.rc.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

type acceptedFile struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// mediaView is a file as the API shows it.
type mediaView struct {
	ID       string       `json:"id"`
	Name     *string      `json:"name"`
	Kind     media.Kind   `json:"kind"`
	MIME     string       `json:"mime_type"`
	Animated bool         `json:"animated"`
	Size     int64        `json:"size"`
	SHA256   string       `json:"sha256"`
	Created  string       `json:"created"`
	Uploads  []uploadView `json:"uploads"`
}

// uploadView is a file's copy at Meta.
type uploadView struct {
	Channel string `json:"channel"`
	Created string `json:"created"`
	Good    string `json:"good_until"`
}

func viewMedia(m media.Media) mediaView {
	v := mediaView{
		ID: m.ID, Name: some(m.Name), Kind: m.Kind, MIME: m.MIME, Animated: m.Animated, Size: m.Size, SHA256: m.SHA256,
		Created: instant(m.Added), Uploads: []uploadView{},
	}
	for _, channel := range slices.Sorted(maps.Keys(m.Uploads)) {
		u := m.Uploads[channel]
		v.Uploads = append(v.Uploads, uploadView{channel, instant(u.At), instant(u.Ends())})
	}
	return v
}
