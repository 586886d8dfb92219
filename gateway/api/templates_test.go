package api_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"optgate/gateway/api"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/template"
)

// meta has templates.
type metaside struct {
	all   []template.Template
	stale bool
	err   error
}

func (m metaside) List(context.Context, string, string) (*template.Reading, error) {
	return &template.Reading{At: now.Add(-time.Minute), Templates: m.all, Stale: m.stale}, m.err
}

func (m metaside) Find(_ context.Context, _, _, name, language string) (template.Template, bool, error) {
	for _, one := range m.all {
		if one.Name == name && one.Language == language {
			return one, true, m.err
		}
	}
	return template.Template{}, false, m.err
}

func TestTemplatesAreListed(t *testing.T) {
	side := &metaside{stale: true, all: []template.Template{
		{Name: "a", Language: "de", Status: "APPROVED", Category: "MARKETING", Quality: "GREEN", Components: []template.Component{{Type: "BODY", Text: "Hi {{1}}"}}},
		{Name: "a", Language: "en", Status: "PAUSED", Category: "UTILITY"},
		{Name: "a_b", Language: "en", Status: "APPROVED", Category: "UTILITY"},
	}}
	w := newWorld(t, func(o *api.Options) {
		o.Templates = side
		o.Directory = chat.NewDirectory([]string{"acme"}, []chat.Channel{
			{Account: "acme", ID: "wa", Kind: chat.WhatsApp}, {Account: "acme", ID: "page", Kind: chat.Messenger}})
	})
	list := func(query string) (names string, next *string) {
		t.Helper()
		var page struct {
			Data []struct {
				Name, Language, Status, Category string
				Quality                          *string
				Updated                          string `json:"updated_at"`
				Stale                            bool
				Parameters                       []struct {
					Where string
					Count int
				}
			}
			Next *string
		}
		w.call(t, "acme-read", "GET", "/v1/templates?"+query, "").is(http.StatusOK, "").into(&page)
		var all []string
		for _, one := range page.Data {
			all = append(all, one.Name+"/"+one.Language)
			if one.Language == "de" && (one.Category != "marketing" || *one.Quality != "green" || one.Parameters[0].Count != 1 || !one.Stale || one.Updated != "2026-11-22T11:59:00.000Z") {
				t.Errorf("%+v", one)
			}
		}
		return strings.Join(all, " "), page.Next
	}
	f := func(query, want string) {
		t.Helper()
		if got, next := list(query); got != want || next != nil {
			t.Errorf("%s: %s", query, got)
		}
	}
	f("channel=wa", "a/de a/en a_b/en")
	f("channel=wa&status=approved", "a/de a_b/en")
	f("channel=wa&name=a&language=en", "a/en")
	f("channel=wa&category=marketing&status=", "a/de")
	f("channel=wa&name=none", "")
	walked := ""
	for after := ""; ; {
		got, next := list("channel=wa&limit=1&after=" + url.QueryEscape(after))
		if walked += got + " "; next == nil {
			break
		}
		after = *next
	}
	if walked != "a/de a/en a_b/en " {
		t.Error(walked)
	}
	w.call(t, "acme-read", "GET", "/v1/templates", "").is(http.StatusUnprocessableEntity, "invalid_field")
	w.call(t, "acme-read", "GET", "/v1/templates?channel=wb", "").is(http.StatusUnprocessableEntity, "invalid_field")
	w.call(t, "acme-read", "GET", "/v1/templates?channel=page", "").is(http.StatusUnprocessableEntity, "invalid_field")
	side.err = fault.New(fault.Unavailable, "graph_away", "away")
	w.call(t, "acme-read", "GET", "/v1/templates?channel=wa", "").is(http.StatusServiceUnavailable, "graph_away")
}
