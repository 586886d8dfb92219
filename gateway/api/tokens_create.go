package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"optgate/pipeline/access"
	"optgate/pipeline/fault"
)

// newToken is the body of POST /v1/tokens.
type newToken struct {
	Name    string   `json:"name"`
	Scopes  []string `json:"scopes"`
	Expires *string  `json:"expires_at"` // nil: never
}

// Bounds of what a token is made of.
const (
	mostName   = 64 // Unicode code points
	mostScopes = 16 // of which some may repeat
)

// check gives when the token expires (ms since 1970; 0: never), or what is wrong, all at once.
func (n *newToken) check(now time.Time) (expires int64, err error) {
	var wrong []fault.Field
	no := func(field, code, detail string) {
		wrong = append(wrong, fault.Field{Field: field, Code: code, Detail: detail})
	}
	n.Name = strings.TrimSpace(n.Name)
	switch {
	case n.Name == "":
		no("name", "required", "names the token in logs and in the audit")
	case len([]rune(n.Name)) > mostName:
		no("name", "too_long", fmt.Sprintf("has at most %d characters", mostName))
	case strings.ContainsFunc(n.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		no("name", "not_printable", "has letters, digits, signs and spaces only")
	}
	switch {
	case len(n.Scopes) == 0:
		no("scopes", "required", "names at least one of "+strings.Join(access.Scopes(), ", "))
	case len(n.Scopes) > mostScopes:
		no("scopes", "too_many", fmt.Sprintf("has at most %d", mostScopes))
		n.Scopes = nil
	}
	for i, scope := range n.Scopes {
		if !slices.Contains(access.Scopes(), scope) {
			no(fmt.Sprintf("scopes[%d]", i), "unknown_scope", "is one of "+strings.Join(access.Scopes(), ", "))
		}
	}
	slices.Sort(n.Scopes)
	n.Scopes = slices.Compact(n.Scopes)
	if n.Expires != nil {
		at, err := time.Parse(time.RFC3339, *n.Expires)
		switch expires = at.UnixMilli(); {
		case err != nil:
			no("expires_at", "not_a_time", "is a time as 2026-11-22T10:00:00Z")
		case expires <= now.UnixMilli():
			no("expires_at", "expired", "lies in the future")
		}
	}
	return expires, wrongFields(wrong)
}

// createToken answers POST /v1/tokens. The secret stands in this one answer and nowhere else, not even where the call is
// repeated under its Idempotency-Key: who has lost the answer revokes the token and makes another. While it is not decided the
// answer is 202, with the secret that will let in if it is.
func (a *API) createToken(c *call) error {
	id, err := a.governed(c)
	if err != nil {
		return err
	}
	var body newToken
	raw, err := c.read(smallBody, &body)
	if err != nil {
		return err
	}
	now := a.Now()
	expires, err := body.check(now)
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, id)
	if err != nil {
		return err
	}
	name, _, err := a.once(c, account, raw)
	if err != nil {
		return err
	}
	name = strings.TrimPrefix(name, "key.")
	secret := access.NewSecret(id)
	token := access.Token{
		ID: "tok_" + name, Name: body.Name, Scopes: body.Scopes, Sum: access.Sum(secret), Created: now.UnixMilli(), Expires: expires,
		By: c.token, Operator: c.account == "",
	}
	create := access.Create{Token: token, Declared: a.declaredNames(id)}
	command, err := access.NewCreate("token/"+id+"/"+name, id, now.UnixMilli(), create)
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, a.Shards.Account(id), command)
	if err != nil {
		return err
	}
	type made struct {
		tokenView
		Token *string `json:"token"` // the secret; null where an earlier answer showed it
	}
	if answer == nil {
		said := made{viewToken(token, now), &secret}
		said.Status = "pending"
		return c.answer(http.StatusAccepted, said)
	}
	kept, err := valueOf[access.Token](answer)
	if err != nil {
		return err
	}
	said := made{tokenView: viewToken(kept, now)}
	if kept.Sum == token.Sum {
		said.Token = &secret
	}
	return c.answer(http.StatusCreated, said)
}
