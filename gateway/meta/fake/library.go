package fake

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// Template is a message template as Graph's answers have it: name, language, status, category, components and so on.
type Template map[string]any

// Upload is one call of the media endpoint.
type Upload struct {
	Number  string // the phone number id it was uploaded for
	ID      string // that it was answered, or would have been
	Type    string // as the form says
	Name    string // of the file
	Size    int64
	SHA256  string // hex
	Deleted bool
	Outcome Outcome
}

// Offer is an approved marketing template of one variable, for demonstrations.
func Offer(name, body string) Template {
	return Template{
		"name": name, "language": "en", "status": "APPROVED", "category": "MARKETING", "parameter_format": "POSITIONAL",
		"quality_score": map[string]any{"score": "GREEN"}, "components": []any{
			map[string]any{"type": "BODY", "text": body}, map[string]any{"type": "FOOTER", "text": "Reply STOP to hear no more of this."}},
	}
}

// SetTemplates says which templates every business account has from now on; nil: Graph refuses to tell.
func (m *Meta) SetTemplates(all []Template) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.templates = all
}

// TemplateReads gives how many pages of templates were asked for.
func (m *Meta) TemplateReads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.templateReads
}

// Uploads gives all uploads in the order in which they ended.
func (m *Meta) Uploads() []Upload {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Upload(nil), m.uploads...)
}

const templatePage = 25

// listTemplates pages as Graph does: the cursor says where a page ended, and next is a URL that is there while more follow.
func (m *Meta) listTemplates(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.templateReads++
	all := m.templates
	m.mu.Unlock()
	switch {
	case m.options.Token != "" && r.Header.Get("Authorization") != "Bearer "+m.options.Token:
		refuse(w, Outcome{HTTP: http.StatusUnauthorized, Code: 190})
		return
	case all == nil:
		refuse(w, Outcome{HTTP: http.StatusBadRequest, Code: 100})
		return
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("after"))
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 {
		limit = templatePage
	}
	from = min(max(from, 0), len(all))
	to := min(from+limit, len(all))
	paging := map[string]any{"cursors": map[string]any{"before": strconv.Itoa(from), "after": strconv.Itoa(to)}}
	if to < len(all) {
		paging["next"] = "http://127.0.0.1:9/never/followed"
	}
	answer(w, http.StatusOK, map[string]any{"data": all[from:to], "paging": paging})
}

const maxUpload = 128 << 20

// upload takes a file in and forgets its bytes.
func (m *Meta) upload(w http.ResponseWriter, r *http.Request) {
	if m.options.Token != "" && r.Header.Get("Authorization") != "Bearer "+m.options.Token {
		refuse(w, Outcome{HTTP: http.StatusUnauthorized, Code: 190})
		return
	}
	up := Upload{Number: r.PathValue("number"), ID: strconv.FormatInt(9_000_000_000_000+m.count.Add(1), 10)}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		refuse(w, Outcome{HTTP: http.StatusBadRequest, Code: 100})
		return
	}
	var product string
	var whole bool
	for form := multipart.NewReader(http.MaxBytesReader(w, r.Body, maxUpload), params["boundary"]); ; {
		part, err := form.NextPart()
		if err != nil {
			whole = err == io.EOF //nolint:errorlint // as NextPart gives it
			break
		}
		switch part.FormName() {
		case "file":
			sum := sha256.New()
			up.Name = part.FileName()
			if up.Size, err = io.Copy(sum, part); err != nil {
				return // the caller has hung up
			}
			up.SHA256 = hex.EncodeToString(sum.Sum(nil))
		case "type":
			raw, _ := io.ReadAll(part)
			up.Type = string(raw)
		case "messaging_product":
			raw, _ := io.ReadAll(part)
			product = string(raw)
		}
	}
	if m.options.Upload != nil {
		up.Outcome = m.options.Upload(up)
	}
	if !whole || product != "whatsapp" || up.Type == "" || up.SHA256 == "" {
		up.Outcome = Outcome{HTTP: http.StatusBadRequest, Code: 100}
	}
	if !pause(r.Context(), up.Outcome.Hang) {
		return // the caller has given up
	}
	m.mu.Lock()
	m.uploads = append(m.uploads, up)
	m.mu.Unlock()
	switch {
	case up.Outcome.Drop:
		panic(http.ErrAbortHandler)
	case up.Outcome.HTTP != 0:
		refuse(w, up.Outcome)
	default:
		answer(w, http.StatusOK, map[string]any{"id": up.ID})
	}
}

// remove deletes an upload.
func (m *Meta) remove(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	found := false
	for i := range m.uploads {
		if m.uploads[i].ID == strings.TrimSpace(r.PathValue("id")) {
			found, m.uploads[i].Deleted = true, true
		}
	}
	m.mu.Unlock()
	if !found {
		refuse(w, Outcome{HTTP: http.StatusBadRequest, Code: 100})
		return
	}
	answer(w, http.StatusOK, map[string]any{"success": true})
}
