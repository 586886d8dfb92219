package api

import (
	"slices"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// listView is an opt-out list as the API shows it: every field always stands.
type listView struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Description   string   `json:"description"`
	System        bool     `json:"system"`
	Keywords      []string `json:"keywords"`
	Confirmation  string   `json:"confirmation"`
	OptinKeywords []string `json:"optin_keywords"`
	OptinMessage  string   `json:"optin_message"`
	WebhookURL    string   `json:"webhook_url"`
	FeedRemovals  bool     `json:"feed_removals"`
	Channels      []string `json:"channels"`
	Scope         string   `json:"scope"`

	Languages map[string]languageView `json:"languages"`
}

// languageView is what a list hears and says in one language.
type languageView struct {
	Keywords      []string `json:"keywords"`
	Confirmation  string   `json:"confirmation"`
	OptinKeywords []string `json:"optin_keywords"`
	OptinMessage  string   `json:"optin_message"`
}

func viewList(l optout.List) listView {
	some := func(words []string) []string { return append([]string{}, words...) } // [] rather than null
	languages := map[string]languageView{}
	for code, of := range l.Languages {
		languages[code] = languageView{some(of.Keywords), of.Confirmation, some(of.OptinKeywords), of.OptinMessage}
	}
	return listView{
		ID: l.ID, Name: l.Name, Description: l.Description, System: l.System,
		Keywords: some(l.Keywords), Confirmation: l.Confirmation,
		OptinKeywords: some(l.OptinKeywords), OptinMessage: l.OptinMessage,
		WebhookURL: l.WebhookURL, FeedRemovals: l.FeedRemovals, Channels: some(l.Channels), Scope: l.Scope, Languages: languages,
	}
}

// listLists answers GET /v1/optout-lists. Its cursor is the id of the last list shown.
func (a *API) listLists(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	rest := account.Lists
	if after != "" {
		at := slices.IndexFunc(rest, func(l optout.List) bool { return l.ID == after })
		if at < 0 {
			return badCursor()
		}
		rest = rest[at+1:]
	}
	views, next := []listView{}, ""
	for i, l := range rest {
		if i == limit {
			next = views[i-1].ID
			break
		}
		views = append(views, viewList(l))
	}
	return c.list(views, next)
}

// showList answers GET /v1/optout-lists/{list}.
func (a *API) showList(c *call) error {
	_, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	return c.answerList(fasthttp.StatusOK, l)
}

// listOf gives the account of a call and the list that its path names.
func (a *API) listOf(c *call) (optout.Account, optout.List, error) {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return account, optout.List{}, err
	}
	l, ok := account.List(c.param("list"))
	if !ok {
		return account, l, fault.New(fault.NotFound, "unknown_list", "There is no opt-out list with this id.")
	}
	return account, l, nil
}

func badCursor() error {
	return wrongField(fault.Invalid, "after", "bad_cursor", "is no cursor that a page gave as next")
}
