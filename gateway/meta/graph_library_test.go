package meta_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/meta/fake"
	"optgate/pipeline/fault"
	"optgate/pipeline/outbound"
	"optgate/pipeline/template"
)

func TestTemplatesAreReadPageByPage(t *testing.T) {
	var all []fake.Template
	for i := range 600 {
		all = append(all, fake.Template{"name": fmt.Sprintf("t%03d", i), "language": "en", "status": "APPROVED", "category": "UTILITY"})
	}
	m := startMeta(t, fake.Options{Token: token, Templates: all})
	g := graph(t, m.URL())
	var read []template.Template
	for after, pages := "", 0; ; pages++ {
		page, next, err := g.Templates(t.Context(), "acme", "wa", "b1", after)
		if err != nil {
			t.Fatal(err)
		}
		if read = append(read, page...); next == "" {
			if pages != 2 {
				t.Errorf("%d pages after the first", pages)
			}
			break
		}
		after = next
	}
	if len(read) != 600 || read[599].Name != "t599" {
		t.Errorf("%d templates", len(read))
	}
}

// TestAWholeTemplate reads everything that Graph tells of one, and passes over what is none.
func TestAWholeTemplate(t *testing.T) {
	m := startMeta(t, fake.Options{Templates: []fake.Template{
		{"name": "t", "language": "en", "status": "approved", "category": "MARKETING", "parameter_format": "NAMED",
			"quality_score": map[string]any{"score": "GREEN"}, "components": []any{
				map[string]any{"type": "HEADER", "format": "IMAGE", "example": map[string]any{"header_handle": []any{"x"}}},
				map[string]any{"type": "LIMITED_TIME_OFFER", "limited_time_offer": map[string]any{"text": "Hurry", "has_expiration": true}},
				map[string]any{"type": "BUTTONS", "buttons": []any{map[string]any{"type": "URL", "text": "Go", "url": "https://x.example/{{1}}"}}},
				map[string]any{"type": "CAROUSEL", "cards": []any{map[string]any{"components": []any{
					map[string]any{"type": "BODY", "text": "{{a}}", "cards": []any{map[string]any{}}}}}}},
				7, nil,
			}},
		{"name": "odd", "language": "en", "quality_score": "?", "components": "none"},
		{"name": "without a language"},
		{"name": []any{}, "language": "en"},
	}})
	got, _, err := graph(t, m.URL()).Templates(t.Context(), "acme", "wa", "b1", "")
	want := []template.Template{
		{Name: "t", Language: "en", Status: "APPROVED", Category: "MARKETING", Quality: "GREEN", Format: "NAMED", Components: []template.Component{
			{Type: "HEADER", Format: "IMAGE"}, {Type: "LIMITED_TIME_OFFER", Text: "Hurry", Expires: true},
			{Type: "BUTTONS", Buttons: []template.Button{{Type: "URL", Text: "Go", URL: "https://x.example/{{1}}"}}},
			{Type: "CAROUSEL", Cards: []template.Card{{Components: []template.Component{{Type: "BODY", Text: "{{a}}"}}}}},
			{}, {},
		}},
		{Name: "odd", Language: "en"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestWhyGraphDoesNotTell(t *testing.T) {
	f := func(name string, answer http.HandlerFunc, refused bool) {
		t.Helper()
		s := httptest.NewServer(answer)
		defer s.Close()
		_, _, err := graph(t, s.URL).Templates(t.Context(), "acme", "wa", "177700000000001", "")
		_, is := errors.AsType[*outbound.Refusal](err)
		if err == nil || is != refused || !refused && fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
		inClear(t, err)
	}
	f("no JSON", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, false) //nolint:errcheck // a test
	f("cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false)
	f("endless", func(w http.ResponseWriter, _ *http.Request) {
		for range 9 << 10 {
			io.WriteString(w, strings.Repeat(" ", 1<<10)) //nolint:errcheck // a test
		}
	}, false)
	f("a token that has run out", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":{"message":"(#190) Session for +447700900101 ended","code":190}}`) //nolint:errcheck // a test
	}, true)
	f("busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, false)
	f("an error that says 200", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"error":{"code":1}}`) }, false) //nolint:errcheck // a test
	f("elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:9/", http.StatusFound)
	}, true)
}

// bytesOf writes so many bytes, and notes how many at once.
func bytesOf(size int) func(context.Context, io.Writer) error {
	return func(_ context.Context, to io.Writer) error {
		for left := size; left > 0; left -= min(left, 1<<20) {
			if _, err := to.Write(make([]byte, min(left, 1<<20))); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestAFileIsUploadedWhole(t *testing.T) {
	m := startMeta(t, fake.Options{Token: token})
	g := graph(t, m.URL())
	const size = 3<<20 + 7
	id, err := g.UploadMedia(t.Context(), "acme", "wa", "video/mp4", "a \"b\"\r\nX: y\\.mp4", size, bytesOf(size))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(make([]byte, size))
	want := fake.Upload{
		Number: "155500000000011", ID: id, Type: "video/mp4", Name: `a _b___X: y_.mp4`, Size: size, SHA256: hex.EncodeToString(sum[:]),
	}
	if diff := cmp.Diff([]fake.Upload{want}, m.Uploads()); diff != "" || id == "" {
		t.Error(diff)
	}
	for range 2 { // one that is gone is gone
		if err := g.DeleteMedia(t.Context(), "acme", "wa", id); err != nil {
			t.Error(err)
		}
	}
	if !m.Uploads()[0].Deleted {
		t.Error("Meta has it still")
	}
	if _, err := g.UploadMedia(t.Context(), "globex", "wa", "video/mp4", "", 1, bytesOf(1)); err == nil {
		t.Error("without a token")
	}
}

func TestWhyAnUploadFails(t *testing.T) {
	m := startMeta(t, fake.Options{Upload: func(u fake.Upload) fake.Outcome {
		switch u.Name {
		case "refused":
			return fake.Outcome{HTTP: 400, Code: 131053}
		case "dropped":
			return fake.Outcome{Drop: true}
		}
		return fake.Outcome{HTTP: 503, Code: 2}
	}})
	g := graph(t, m.URL())
	broken := errors.New("a chunk is missing")
	f := func(name string, size int64, write func(context.Context, io.Writer) error, refused bool) error {
		t.Helper()
		_, err := g.UploadMedia(t.Context(), "acme", "wa", "text/plain", name, size, write)
		if _, is := errors.AsType[*outbound.Refusal](err); err == nil || is != refused {
			t.Errorf("%s: %v", name, err)
		}
		inClear(t, err)
		return err
	}
	f("refused", 5, bytesOf(5), true)
	f("dropped", 5, bytesOf(5), false)
	f("busy", 5, bytesOf(5), false)
	f("shorter than it said", 9, bytesOf(5), false)
	f("longer than it said", 5, bytesOf(9), false)
	if err := f("unreadable", 2<<20, func(_ context.Context, to io.Writer) error {
		to.Write(make([]byte, 1<<20)) //nolint:errcheck // a test
		return broken
	}, false); !errors.Is(err, broken) {
		t.Error(err)
	}
	if got := len(m.Uploads()); got != 3 {
		t.Errorf("Meta took in %d", got)
	}
}
