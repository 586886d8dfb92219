package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"optgate/gateway/api"
	"optgate/pipeline/media"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// shelf is a world with a media library.
type shelf struct{ *world }

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{}
	s.world = newWorld(t, func(o *api.Options) {
		w := o.States.(*world) //nolint:forcetypeassert // as newWorld gives it
		w.logs[stream.Media] = make([][]stream.Record, shards)
		o.Publisher = cloning{w}
		o.Media = api.MediaOptions{Files: &media.Library{Shards: shards, States: w}, Lists: shelf{w}}
	})
	return s
}

// cloning keeps what it is given: whoever publishes uses his bytes again.
type cloning struct{ *world }

func (k cloning) Publish(ctx context.Context, records ...*stream.Record) error {
	for _, r := range records {
		r.Value = bytes.Clone(r.Value)
	}
	return k.world.Publish(ctx, records...)
}

func (s shelf) Files(_ context.Context, account, after string, limit int) (page []media.Media, next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := s.states[shards.Account(account)]
	for _, key := range slices.Sorted(maps.Keys(states)) {
		id, ok := strings.CutPrefix(key, "media/"+account+"/")
		if !ok || id <= after || states[key] == nil {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].ID, nil
		}
		var m media.Media
		if err := json.Unmarshal(states[key], &m); err != nil {
			return nil, "", err
		}
		page = append(page, m)
	}
	return page, "", nil
}

// left counts states of a family.
func (s shelf) left(family string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, states := range s.states {
		for key, state := range states {
			if shard.Family(key) == family && state != nil {
				n++
			}
		}
	}
	return n
}

type filed struct {
	ID     string  `json:"id"`
	Name   *string `json:"name"`
	Kind   string  `json:"kind"`
	MIME   string  `json:"mime_type"`
	Size   int     `json:"size"`
	SHA256 string  `json:"sha256"`
}

// form wraps files up.
func form(t *testing.T, fields ...[3]string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		part, err := w.CreateFormFile(f[0], f[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(f[2])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

const pdf = "%PDF-1.7\n1 0 obj\n%%EOF\n"

func TestAFileOfTheLibrary(t *testing.T) {
	s := newShelf(t)
	var f, again filed
	s.call(t, "acme-admin", "POST", "/v1/media?name=..%2Fr%C3%A9sum%C3%A9%0A.pdf", pdf, "Content-Type", "image/png").is(http.StatusCreated, "").into(&f)
	if f.ID == "" || *f.Name != "résumé.pdf" || f.Kind != "document" || f.MIME != "application/pdf" || f.Size != len(pdf) {
		t.Fatalf("%+v", f)
	}
	body, kind := form(t, [3]string{"note", "", "x"}, [3]string{"file", `C:\x\cv.pdf`, pdf})
	s.call(t, "acme-admin", "POST", "/v1/media", body, "Content-Type", kind).is(http.StatusOK, "").into(&again)
	if again.ID != f.ID || *again.Name != "cv.pdf" {
		t.Errorf("the same bytes are the same file: %+v", again)
	}
	s.call(t, "acme-read", "GET", "/v1/media/"+f.ID, "").is(http.StatusOK, "").into(&again)
	r := s.call(t, "acme-read", "GET", "/v1/media/"+f.ID+"/content", "").is(http.StatusOK, "")
	if string(r.body) != pdf || r.header.Get("Content-Type") != "application/pdf" || r.header.Get("X-Content-Type-Options") != "nosniff" ||
		r.header.Get("Content-Disposition") != "attachment; filename=cv.pdf" || r.header.Get("ETag") != `"`+f.SHA256+`"` {
		t.Errorf("%s %v", r.body, r.header)
	}
	s.call(t, "acme-admin", "POST", "/v1/media", "a text").is(http.StatusCreated, "")
	var page struct {
		Data []filed `json:"data"`
		Next *string `json:"next"`
	}
	s.call(t, "acme-read", "GET", "/v1/media?limit=1", "").is(http.StatusOK, "").into(&page)
	first := page.Data[0].ID
	s.call(t, "acme-read", "GET", "/v1/media?limit=1&after="+url.QueryEscape(*page.Next), "").is(http.StatusOK, "").into(&page)
	if len(page.Data) != 1 || page.Data[0].ID == first || page.Next != nil {
		t.Errorf("%+v", page)
	}
	for _, call := range [][2]string{{"GET", ""}, {"GET", "/content"}, {"DELETE", ""}} {
		s.call(t, "globex-admin", call[0], "/v1/media/"+f.ID+call[1], "").is(http.StatusNotFound, "media_not_found")
	}
	s.call(t, "acme-read", "DELETE", "/v1/media/"+f.ID, "").is(http.StatusForbidden, "forbidden")
	s.call(t, "acme-read", "POST", "/v1/media", pdf).is(http.StatusForbidden, "forbidden")
	s.call(t, "acme-admin", "DELETE", "/v1/media/"+f.ID, "").is(http.StatusNoContent, "")
	s.call(t, "acme-admin", "DELETE", "/v1/media/"+f.ID, "").is(http.StatusNotFound, "media_not_found")
	s.call(t, "acme-read", "GET", "/v1/media/"+f.ID+"/content", "").is(http.StatusNotFound, "media_not_found")
	s.call(t, "acme-admin", "POST", "/v1/media", pdf).is(http.StatusCreated, "")
	if s.left("upload") != 0 {
		t.Error("a file seems to be on its way still")
	}
}

func TestWhatTheLibraryDoesNotTake(t *testing.T) {
	s := newShelf(t)
	f := func(body, kind string, status int, code string) {
		t.Helper()
		s.call(t, "acme-admin", "POST", "/v1/media", body, "Content-Type", kind).is(status, code)
	}
	two, kind := form(t, [3]string{"file", "a", pdf}, [3]string{"file", "b", pdf})
	f(two, kind, http.StatusUnprocessableEntity, "several_files")
	none, kind := form(t, [3]string{"other", "a", pdf})
	f(none, kind, http.StatusUnprocessableEntity, "no_file")
	whole, kind := form(t, [3]string{"file", "a", pdf})
	f(whole[:len(whole)-12], kind, http.StatusBadRequest, "broken_off")
	f(whole[:len(whole)-80], kind, http.StatusBadRequest, "broken_off")
	f("", kind, http.StatusUnprocessableEntity, "no_file")
	f(pdf, "multipart/form-data; boundary=", http.StatusUnprocessableEntity, "no_file")
	f(pdf, "multipart/form-data", http.StatusUnprocessableEntity, "no_file")
	f(pdf, "multipart/mixed; boundary=x", http.StatusUnprocessableEntity, "no_file")
	f("MZ\x90\x00", "image/jpeg", http.StatusUnprocessableEntity, "unsupported_media")
	f(pdf[:12], "application/pdf", http.StatusUnprocessableEntity, "damaged_media")
	f("", "text/plain", http.StatusUnprocessableEntity, "empty_media")
	f("\xff\xd8\xff"+strings.Repeat("a", 5<<20)+"\xff\xd9", "image/jpeg", http.StatusRequestEntityTooLarge, "media_too_large")
	s.call(t, "acme-admin", "POST", "/v1/media", pdf, "Content-Encoding", "gzip").is(http.StatusUnprocessableEntity, "unknown_encoding")
	if s.left("media") != 0 || s.left("upload") != 0 {
		t.Errorf("%d files, %d on their way", s.left("media"), s.left("upload"))
	}
}

func TestAKeyBelongsToOneFile(t *testing.T) {
	s := newShelf(t)
	send := func(body string) reply {
		return s.call(t, "acme-admin", "POST", "/v1/media", body, "Idempotency-Key", "k1")
	}
	var first, again filed
	send(pdf).is(http.StatusCreated, "").into(&first)
	r := send(pdf)
	r.into(&again)
	if again.ID != first.ID || r.status/100 != 2 {
		t.Errorf("%d %+v", r.status, again)
	}
	send("another").is(http.StatusUnprocessableEntity, "idempotency_key_reused")
	if s.left("media") != 1 || s.left("upload") != 0 {
		t.Errorf("%d files, %d on their way", s.left("media"), s.left("upload"))
	}
}

// TestASenderThatGoesAwayLeavesNothing hangs up between two chunks.
func TestASenderThatGoesAwayLeavesNothing(t *testing.T) {
	s := newShelf(t)
	at, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	head := "POST /v1/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer acme-admin\r\nContent-Length: 3145728\r\n\r\n"
	if _, err := conn.Write([]byte(head + strings.Repeat("a", media.Chunk+10))); err != nil {
		t.Fatal(err)
	}
	chunks := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, log := range s.logs[stream.Media] {
			n += len(log)
		}
		return n
	}
	wait := func(until func() bool) {
		t.Helper()
		for !until() {
			s.mu.Lock()
			grown := s.grown
			s.mu.Unlock()
			if until() {
				return
			}
			select {
			case <-grown:
			case <-t.Context().Done():
				t.Fatal("it never came")
			}
		}
	}
	wait(func() bool { return chunks() > 0 })
	if s.left("upload") != 1 || s.left("media") != 0 {
		t.Errorf("on its way: %d files, %d uploads", s.left("media"), s.left("upload"))
	}
	conn.Close() //nolint:errcheck // that is what is tried
	wait(func() bool { return s.left("upload") == 0 })
	if s.left("media") != 0 {
		t.Error("half a file is in the library")
	}
}
