package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"

	"optgate/pipeline/fault"
)

// Token lets a program in.
type Token struct {
	Account string   // whose things it reaches; "" for an operator's, which reaches what spans accounts and no account's own
	Name    string   // shown in logs and in what was done by it
	Token   string   // the secret
	Scopes  []string // of an account's: read, send, lists, admin
}

// scope is what a route asks of a token.
type scope string

// The scopes. admin may do everything in its account.
const (
	anyone   scope = "" // no token needed: the listener is private
	read     scope = "read"
	send     scope = "send"
	lists    scope = "lists"
	admin    scope = "admin"
	operator scope = "operator"
)

// known is a token as it is kept after start: its hash.
type known struct {
	account, name string
	sum           [sha256.Size]byte
	scopes        []scope
}

func hashed(t Token) known {
	k := known{account: t.Account, name: t.Name, sum: sha256.Sum256([]byte(t.Token))}
	for _, s := range t.Scopes {
		k.scopes = append(k.scopes, scope(s))
	}
	if t.Account == "" {
		k.scopes = []scope{operator}
	}
	return k
}

// identify finds the token of an Authorization header, comparing with every one so that the time tells nothing.
func (a *API) identify(authorization string) (known, error) {
	scheme, given, _ := strings.Cut(authorization, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	var found *known
	for i := range a.tokens {
		if subtle.ConstantTimeCompare(a.tokens[i].sum[:], sum[:]) == 1 {
			found = &a.tokens[i]
		}
	}
	if found == nil || !strings.EqualFold(scheme, "Bearer") {
		return known{}, fault.New(fault.Unauthorized, "unauthorized", "Give a known token as Authorization: Bearer TOKEN.")
	}
	return *found, nil
}

// may says whether a token is enough for a route.
func (k known) may(s scope) error {
	if slices.Contains(k.scopes, s) || s != operator && slices.Contains(k.scopes, admin) {
		return nil
	}
	return fault.New(fault.Forbidden, "forbidden", "This token lacks the scope %q.", string(s))
}
