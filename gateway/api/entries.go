package api

import (
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// entryView is one person on a list as the API shows it. Somebody has either a to, a phone as +E164 or a BSUID, or an email.
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

// shown gives an identifier as to or as email.
func shown(id chat.Identifier) (to, email *string) {
	text := id.Shown()
	if id.Kind() == chat.KindEmail {
		return nil, &text
	}
	return &text, nil
}

// listEntries answers GET /v1/optout-lists/{list}/entries.
func (a *API) listEntries(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	_, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	page, next, err := a.Entries.Entries(c.ctx, c.account, l.ID, sought(c.query("search")), after, limit)
	if err != nil {
		return err
	}
	views := make([]entryView, len(page))
	for i, one := range page {
		views[i] = viewEntry(one)
	}
	return c.list(views, next)
}

// sought gives what to look for in identifiers: where it is a phone or a part of one, its digits alone.
func sought(search string) string {
	if strings.Trim(search, "+0123456789 ()-./") != "" || !strings.ContainsAny(search, "0123456789") {
		return search
	}
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, search)
}
