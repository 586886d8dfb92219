package api

import (
	"cmp"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// personView is a person as far as anything is known.
type personView struct {
	identity
	Known     bool         `json:"known"` // else nothing was ever heard of this identifier
	Optouts   []optoutView `json:"optouts"`
	Blocks    []blockView  `json:"blocks"`    // entries of the blacklist, of all aliases
	Aliases   []aliasView  `json:"aliases"`   // the identifier itself first
	Truncated bool         `json:"truncated"` // there are more aliases
}

// optoutView is an opt-out in force, and whose of the person's identifiers it is.
type optoutView struct {
	identity
	standingView
}

// aliasView is one identifier of a person.
type aliasView struct {
	identity
	Links []tieView      `json:"links"` // straight ones
	Lists []standingView `json:"lists"`
}

// tieView is a link of an identifier to another one.
type tieView struct {
	identity
	Since time.Time `json:"since"`
	By    string    `json:"by"` // what showed the two together, as webhook
}

// showPerson answers GET /v1/people/{identifier}.
func (a *API) showPerson(c *call) error {
	account, id, err := a.whom(c, false, "")
	if err != nil {
		return err
	}
	me := ref(account, id)
	circle, err := a.circle(c, account, me.P)
	if err != nil {
		return err
	}
	view := personView{
		identity: viewIdentity(me), Known: circle.persons[0].V > 0, Truncated: circle.truncated,
		Optouts: []optoutView{}, Blocks: []blockView{}, Aliases: make([]aliasView, 0, len(circle.refs)),
	}
	circle.refs[0] = me
	names := map[chat.Pseudonym]optout.Ref{}
	for _, r := range circle.refs {
		names[r.P] = r
	}
	for i, r := range circle.refs {
		alias := aliasView{viewIdentity(r), []tieView{}, viewStandings(account, r, circle.persons[i])}
		for _, l := range circle.persons[i].Links {
			to := optout.Ref{ID: names[l.P].ID, P: l.P}
			alias.Links = append(alias.Links, tieView{viewIdentity(to), time.UnixMilli(l.Since).UTC(), l.By})
		}
		view.Aliases = append(view.Aliases, alias)
		for _, e := range circle.persons[i].Blocked() {
			view.Blocks = append(view.Blocks, viewBlocked(r, e))
		}
		for _, o := range circle.optouts(account, i) {
			view.Optouts = append(view.Optouts, optoutView{alias.identity, o})
		}
	}
	return c.answer(fasthttp.StatusOK, view)
}

// whom reads the identifier in a path. A phone without its country code is read with ?country=, or the default country of
// ?channel=, or of the channel that the call is about, or the one that all channels of the account have. adds says that the
// person is to be put on a list.
func (a *API) whom(c *call, adds bool, about string) (account optout.Account, id chat.Identifier, err error) {
	if account, err = a.Accounts.Account(c.ctx, c.account); err != nil {
		return account, "", err
	}
	var wrong []fault.Field
	country, channel := c.query("country"), c.query("channel")
	if country != "" && !chat.IsCountry(country) {
		wrong = append(wrong, fault.Field{Field: "country", Code: "unknown_country", Detail: "is two letters of ISO 3166, as GB"})
	}
	if channel != "" {
		if unknown := a.onceChannel(account, channel); unknown != nil {
			wrong = append(wrong, *unknown)
		}
	}
	if country == "" {
		country = a.country(account, cmp.Or(channel, about))
	}
	read := chat.ParseIdentifier
	if adds {
		read = chat.ParseTyped
	}
	if id, err = read(c.param("identifier"), country); err != nil {
		wrong = append(wrong, fieldOf("identifier", err))
	}
	return account, id, wrongFields(wrong)
}
