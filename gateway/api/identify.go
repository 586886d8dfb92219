package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"optgate/pipeline/access"
	"optgate/pipeline/fault"
)

// Token lets a program in.
type Token struct {
	Account string   // whose things it reaches; "" for an operator's, which reaches what spans accounts and no account's own
	Name    string   // shown in logs and in what was done by it
	Token   string   // the secret
	Scopes  []string // of an account's: read, send, lists, admin
}

// madeTokens reads the tokens of an account that were made by API, as they were at a time or later; fault.NotCertain where
// nobody can know.
type madeTokens interface {
	Tokens(ctx context.Context, account string, since time.Time) (access.Tokens, error)
}

// revocation is how long a token that was revoked may still let in.
const revocation = time.Second

// scope is what a route asks of a token.
type scope string

// The scopes. admin may do everything in its account; governor is for it and for operators, who name the account.
const (
	anyone   scope = "" // no token needed: the listener is private
	read     scope = "read"
	send     scope = "send"
	lists    scope = "lists"
	admin    scope = "admin"
	governor scope = "admin or operator"
	inBody   scope = "send, token in the body" // answers and errors are Picky's, too; see picky.go
	operator scope = "operator"
)

// known is a token as it is kept: its hash.
type known struct {
	account, name string
	sum           [sha256.Size]byte
	scopes        []scope
}

func hashed(t Token) known {
	k := known{account: t.Account, name: t.Name, sum: sha256.Sum256([]byte(t.Token)), scopes: scopesOf(t.Scopes)}
	if t.Account == "" {
		k.scopes = []scope{operator}
	}
	return k
}

func scopesOf(names []string) (scopes []scope) {
	for _, name := range names {
		scopes = append(scopes, scope(name))
	}
	return scopes
}

// identify finds the token of an Authorization header: one of the configuration, or one that was made by API. Whoever has
// neither is told the same, whether the token is unknown, expired or revoked; where that can't be told it is a
// fault.NotCertain.
func (a *API) identify(ctx context.Context, authorization string) (known, error) {
	scheme, given, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return known{}, stranger()
	}
	return a.bearer(ctx, strings.TrimSpace(given))
}

// bearer finds a token; see identify.
func (a *API) bearer(ctx context.Context, given string) (known, error) {
	if who := a.declared(sha256.Sum256([]byte(given))); who != nil {
		return *who, nil
	}
	return a.made(ctx, given)
}

func stranger() error {
	return fault.New(fault.Unauthorized, "unauthorized", "Give a known token as Authorization: Bearer TOKEN.")
}

// declared finds a token of the configuration, comparing with every one so that the time tells nothing; nil: there is none.
func (a *API) declared(sum [sha256.Size]byte) (found *known) {
	for i := range a.tokens {
		if subtle.ConstantTimeCompare(a.tokens[i].sum[:], sum[:]) == 1 {
			found = &a.tokens[i]
		}
	}
	return found
}

// made finds a token that was made by API. Only accounts of the configuration are asked for, so that made-up ones cost nothing.
// One that isn't there is looked for as of now: it may have been made a moment ago, through another process.
func (a *API) made(ctx context.Context, secret string) (known, error) {
	account, ok := access.AccountOf(secret)
	if !ok || !a.isDeclared(account) {
		return known{}, stranger()
	}
	sum, now := access.Sum(secret), time.Now()
	for _, since := range []time.Time{now.Add(-revocation), now} {
		tokens, err := a.Made.Tokens(ctx, account, since)
		if err != nil {
			return known{}, fault.Wrap(err, fault.NotCertain, "not_certain",
				"Whether this token is known can't be told with certainty just now. Try again.")
		}
		if there := withSum(tokens.Tokens, sum); there != nil {
			if !there.Live(a.Now().UnixMilli()) {
				break
			}
			return known{account: account, name: there.Name, scopes: scopesOf(there.Scopes)}, nil
		}
	}
	return known{}, stranger()
}

// withSum finds the token with this hash, comparing with every one.
func withSum(tokens []access.Token, sum string) (found *access.Token) {
	for i := range tokens {
		if subtle.ConstantTimeCompare([]byte(tokens[i].Sum), []byte(sum)) == 1 {
			found = &tokens[i]
		}
	}
	return found
}

// isDeclared says whether the configuration names an account.
func (a *API) isDeclared(account string) bool {
	return slices.Contains(a.Directory.Accounts(), account)
}

// may says whether a token is enough for a route.
func (k known) may(s scope) error {
	switch {
	case slices.Contains(k.scopes, s):
		return nil
	case s != operator && slices.Contains(k.scopes, admin):
		return nil
	case s == governor && slices.Contains(k.scopes, operator):
		return nil
	}
	return fault.New(fault.Forbidden, "forbidden", "This token lacks the scope %q.", string(s))
}
