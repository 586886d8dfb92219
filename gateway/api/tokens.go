package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"optgate/pipeline/access"
	"optgate/pipeline/fault"
)

// tokenView is a token as the API shows it, without its secret.
type tokenView struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Scopes   []string `json:"scopes"`
	Source   string   `json:"source"` // api, or configuration: such a token is changed there alone
	Status   string   `json:"status"` // live, expired, revoked; pending: kept, and decided in a moment
	Created  *string  `json:"created_at"`
	Expires  *string  `json:"expires_at"`
	Revoked  *string  `json:"revoked_at"`
	By       *string  `json:"by"` // name of the token that made it
	Operator bool     `json:"by_operator"`
}

func viewToken(t access.Token, now time.Time) tokenView {
	at := func(ms int64) *string {
		if ms == 0 {
			return nil
		}
		text := instant(ms)
		return &text
	}
	v := tokenView{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes, Source: "api", Status: "live",
		Created: at(t.Created), Expires: at(t.Expires), Revoked: at(t.Revoked), By: &t.By, Operator: t.Operator,
	}
	switch {
	case t.Revoked != 0:
		v.Status = "revoked"
	case !t.Live(now.UnixMilli()):
		v.Status = "expired"
	}
	return v
}

// configured stands before the name of a token of the configuration in its id.
const configured = "configuration:"

// governed gives the account whose tokens or audit a call is about: the caller's own, or the one that an operator names by
// ?account=. What the call changes is noted there. Another's is not there.
func (a *API) governed(c *call) (string, error) {
	named := c.query("account")
	switch {
	case c.account == "" && named == "":
		return "", wrongField(fault.Invalid, "account", "required", "names the account, since the token is an operator's")
	case c.account != "" && named == "":
		named = c.account
	case c.account != "" && named != c.account || !a.isDeclared(named):
		return "", fault.New(fault.NotFound, "unknown_account", "There is no such account.")
	}
	c.concerns = named
	return named, nil
}

// listTokens answers GET /v1/tokens: those of the configuration first, then those made by API as they were made, among them
// the last that expired or were revoked. Its cursor is the id of the last token shown.
func (a *API) listTokens(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	account, err := a.governed(c)
	if err != nil {
		return err
	}
	raw, err := a.States.States(c.ctx, a.Shards.Account(account), access.TokensKey(account))
	if err != nil {
		return err
	}
	var made access.Tokens
	if raw[0] != nil {
		if err := json.Unmarshal(raw[0], &made); err != nil {
			return fmt.Errorf("read the tokens of an account: %w", err)
		}
	}
	all := []tokenView{}
	for _, t := range a.tokens {
		if t.account == account {
			all = append(all, tokenView{ID: configured + t.name, Name: t.name, Scopes: t.scopeNames(), Source: "configuration", Status: "live"})
		}
	}
	for _, t := range made.Tokens {
		all = append(all, viewToken(t, a.Now()))
	}
	if after != "" {
		at := slices.IndexFunc(all, func(t tokenView) bool { return t.ID == after })
		if at < 0 {
			return wrongField(fault.Invalid, "after", "bad_cursor", "is no cursor that a page gave as next")
		}
		all = all[at+1:]
	}
	next := ""
	if len(all) > limit {
		all, next = all[:limit], all[limit-1].ID
	}
	return c.list(all, next)
}

// declaredNames gives the names of an account's tokens in the configuration.
func (a *API) declaredNames(account string) (names []string) {
	for _, t := range a.tokens {
		if t.account == account {
			names = append(names, t.name)
		}
	}
	return names
}

func (k known) scopeNames() []string {
	names := make([]string, len(k.scopes))
	for i, s := range k.scopes {
		names[i] = string(s)
	}
	return names
}

// revokeToken answers DELETE /v1/tokens/{id}: within a second the token lets nobody in, at any process. The account's last
// token may be revoked, and the caller's own: the configuration or an operator makes another. Repeated, it says the same.
func (a *API) revokeToken(c *call) error {
	account, err := a.governed(c)
	if err != nil {
		return err
	}
	id := c.param("id")
	if name, ok := strings.CutPrefix(id, configured); ok && slices.Contains(a.declaredNames(account), name) {
		return fault.New(fault.Conflict, "declared_in_configuration", "This token stands in the configuration. Remove it there.")
	}
	now := a.Now()
	command, err := access.NewRevoke(chance(), account, now.UnixMilli(), id)
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, a.Shards.Account(account), command)
	if err != nil {
		return err
	}
	if answer == nil {
		return accepted(c, command.ID)
	}
	revoked, err := valueOf[access.Token](answer)
	if err != nil {
		return err
	}
	_, _ = a.Made.Tokens(c.ctx, account, time.Now()) // here it is in force at once; where it can't be read, within a second too
	return c.answer(http.StatusOK, viewToken(revoked, now))
}
