package meta

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"optgate/pipeline/outbound"
	"optgate/pipeline/template"
)

const (
	templatePage  = "250"
	maxTemplates  = 8 << 20 // bytes of a page
	templateShown = "name,language,status,category,components,quality_score,parameter_format"
)

// Templates reads one page of a business account's templates, from the one after the cursor on, with the token of one of its
// channels. next is the cursor of the page after it, "" at the end. Graph's own next URL is not followed: it would be called
// with our token wherever it leads.
func (g *Graph) Templates(ctx context.Context, account, channel, business, after string) (page []template.Template, next string, err error) {
	_, token, ok := g.tokens(account, channel)
	if !ok {
		return nil, "", errNoToken
	}
	query := url.Values{"fields": {templateShown}, "limit": {templatePage}}
	if after != "" {
		query.Set("after", after)
	}
	said, err := g.ask(ctx, question{method: http.MethodGet, path: []string{business, "message_templates"}, query: query, token: token, maxBytes: maxTemplates})
	if err != nil {
		return nil, "", err
	}
	page, next = decodeTemplates(said)
	return page, next, nil
}

var errNoToken = &outbound.Refusal{Title: "channel has no access token", Advice: outbound.Halt}

// decodeTemplates reads a page of templates. One that has no name or language is left out; of the others what can't be
// understood is missing.
func decodeTemplates(said object) (page []template.Template, next string) {
	for _, raw := range said.list("data") {
		one := members(raw)
		t := template.Template{
			Name: one.text("name"), Language: one.text("language"), Status: upper(one, "status"), Category: upper(one, "category"),
			Quality: upper(one.object("quality_score"), "score"), Format: upper(one, "parameter_format"),
			Components: templateComponents(one, true),
		}
		if t.Quality == "UNKNOWN" {
			t.Quality = ""
		}
		if t.Name != "" && t.Language != "" {
			page = append(page, t)
		}
	}
	paging := said.object("paging")
	if paging.text("next") != "" {
		next = paging.object("cursors").text("after")
	}
	return page, next
}

// templateComponents reads the parts of a template or of a card, which has no cards.
func templateComponents(of object, cards bool) (all []template.Component) {
	for _, raw := range of.list("components") {
		one := members(raw)
		c := template.Component{Type: upper(one, "type"), Format: upper(one, "format"), Text: one.text("text")}
		if offer := one.object("limited_time_offer"); offer != nil {
			c.Text, c.Expires = offer.text("text"), string(offer.get("has_expiration")) == "true"
		}
		for _, raw := range one.list("buttons") {
			b := members(raw)
			c.Buttons = append(c.Buttons, template.Button{Type: upper(b, "type"), Text: b.text("text"), URL: b.text("url")})
		}
		if all = append(all, c); !cards {
			continue
		}
		for _, raw := range one.list("cards") {
			at := &all[len(all)-1].Cards
			*at = append(*at, template.Card{Components: templateComponents(members(raw), false)})
		}
	}
	return all
}

func upper(of object, member string) string { return strings.ToUpper(of.text(member)) }
