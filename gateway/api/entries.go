package api

import (
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// entryView is one person on a list as the API shows it. Somebody has either a to (a phone as +E164, a BSUID, or an id of
// Messenger or Instagram with its kind), or an email.
type entryView struct {
	ID      string    `json:"id"`
	To      *string   `json:"to"`
	Email   *string   `json:"email"`
	Channel string    `json:"channel"`
	Source  string    `json:"source"`
	Since   time.Time `json:"since"`
}

func viewEntry(l optout.Listed) entryView {
	v := entryView{ID: l.ID, Channel: l.Channel, Source: l.Source, Since: l.Since.UTC()}
	v.To, v.Email = shown(l.Who)
	return v
}

// viewStanding shows an entry of somebody's state.
func viewStanding(who optout.Ref, e optout.Entry) entryView {
	return viewEntry(optout.Listed{
		ID: entryID(who.P, e.Channel), Who: who.ID, Channel: e.Channel, Source: e.Source, Since: time.UnixMilli(e.Out),
	})
}

// entryID names an entry in its list.
func entryID(p chat.Pseudonym, channel string) string { return p.String() + "." + channel }

// shown gives an identifier as to or as email; neither where it is not known.
func shown(id chat.Identifier) (to, email *string) {
	text := id.Shown()
	switch {
	case id == "":
		return nil, nil
	case id.Kind() == chat.KindEmail:
		return nil, &text
	}
	return &text, nil
}

// listEntries answers GET /v1/optout-lists/{list}/entries: a page, or with ?format= all of them as a stream.
func (a *API) listEntries(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	return a.pageEntries(c, account, l, func(one optout.Listed) any { return viewEntry(one) })
}

// pageEntries answers with a page of those on a list, each shown by view, or with ?format= with all of them.
func (a *API) pageEntries(c *call, account optout.Account, l optout.List, view func(optout.Listed) any) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	channel := c.query("channel")
	if channel != "" {
		if wrong := a.onceChannel(account, channel); wrong != nil {
			return wrongFields([]fault.Field{*wrong})
		}
	}
	search := optout.NewSearch(c.query("search"), channel, a.countries(account)...)
	if format := c.query("format"); format != "" && format != "json" {
		return a.exportEntries(c, l, search, format)
	}
	page, next, err := a.Entries.Entries(c.ctx, c.account, l.ID, search, after, limit)
	if err != nil {
		return err
	}
	views := make([]any, len(page))
	for i, one := range page {
		views[i] = view(one)
	}
	return c.list(views, next)
}
