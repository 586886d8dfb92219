package api

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/media"
	"optgate/pipeline/template"
)

// templates tells what Meta has approved.
type templates interface {
	template.Known
	// List gives all that a channel's business account has; the error is a fault that says why nobody can tell.
	List(ctx context.Context, account, channel string) (*template.Reading, error)
}

// fits says what is wrong with a message that a channel would send: with its template, whose category and parameters it must
// have, and with the files that it shows. t is the template, nil where it has none or nobody knows.
func (a *API) fits(c *call, channel, category string, message json.RawMessage) (t *template.Template, wrong []fault.Field, err error) {
	t, wrong, err = template.Vet(c.ctx, a.Templates, c.account, channel, category, message)
	if err != nil {
		return nil, nil, err
	}
	missing, err := media.Vet(c.ctx, a.Media.Files, c.account, message)
	return t, append(wrong, missing...), err
}

// listTemplates answers GET /v1/templates: those of a channel's business account, by name and language.
func (a *API) listTemplates(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	of, known := a.Directory.Channel(c.account, c.query("channel"))
	switch {
	case !known:
		return wrongFields([]fault.Field{unknownChannel(c.query("channel"))})
	case of.Kind != chat.WhatsApp:
		return wrongField(fault.Unprocessable, "channel", "wrong_kind", "is no WhatsApp channel, and only these have templates")
	case a.Templates == nil:
		return fault.New(fault.Unavailable, "graph_away", "This process does not ask Meta for templates.")
	}
	reading, err := a.Templates.List(c.ctx, c.account, of.ID)
	if err != nil {
		return err
	}
	views, next := []templateView{}, ""
	for _, t := range reading.Templates {
		if !beyond(t, after) || !wantedTemplate(c, t) {
			continue
		}
		if len(views) == limit {
			last := views[limit-1]
			next = last.Name + "/" + last.Language
			break
		}
		views = append(views, viewTemplate(t, reading))
	}
	return c.list(views, next)
}

// beyond says whether a template comes after the one that a cursor names.
func beyond(t template.Template, after string) bool {
	at := strings.LastIndexByte(after, '/')
	if at < 0 {
		return after == "" || t.Name > after
	}
	return t.Name > after[:at] || t.Name == after[:at] && t.Language > after[at+1:]
}

// wantedTemplate says whether a template is as ?status=, ?name=, ?language= and ?category= ask.
func wantedTemplate(c *call, t template.Template) bool {
	for _, one := range [...][2]string{{c.query("status"), t.Status}, {c.query("name"), t.Name}, {c.query("language"), t.Language}, {c.query("category"), t.Category}} {
		if one[0] != "" && !strings.EqualFold(one[0], one[1]) {
			return false
		}
	}
	return true
}

// templateView is a template as the API shows it.
type templateView struct {
	Name       string               `json:"name"`
	Language   string               `json:"language"`
	Status     string               `json:"status"`
	Category   string               `json:"category"`
	Quality    *string              `json:"quality"`
	Parameters []template.Need      `json:"parameters"`
	Components []template.Component `json:"components"`
	UpdatedAt  string               `json:"updated_at"`
	Stale      bool                 `json:"stale"`
}

func viewTemplate(t template.Template, r *template.Reading) templateView {
	return templateView{
		Name: t.Name, Language: t.Language, Status: strings.ToLower(t.Status), Category: strings.ToLower(t.Category),
		Quality: some(strings.ToLower(t.Quality)), Parameters: append([]template.Need{}, t.Needs()...),
		Components: append([]template.Component{}, slices.Clone(t.Components)...), UpdatedAt: instant(r.At.UnixMilli()), Stale: r.Stale,
	}
}
