// Package access decides who may call an account's API, by tokens that the API itself makes, and keeps what was changed by
// whom. It knows no token's secret: what it is shown of one is its hash. It touches nothing.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// Token is one token that was made by API.
type Token struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"` // unique among an account's live tokens, those of the configuration included
	Scopes   []string `json:"scopes"`
	Sum      string   `json:"sum"`                   // of the whole secret; see Sum
	Created  int64    `json:"created"`               // ms since 1970
	Expires  int64    `json:"expires,omitempty"`     // ms since 1970: from then on it lets nobody in; 0: never
	Revoked  int64    `json:"revoked,omitempty"`     // ms since 1970; 0: it was not
	By       string   `json:"by"`                    // name of the token that made it
	Operator bool     `json:"by_operator,omitempty"` // By is an operator's token
}

// Live says whether the token lets somebody in at a time of ms since 1970.
func (t Token) Live(now int64) bool { return t.Revoked == 0 && (t.Expires == 0 || now < t.Expires) }

// Tokens is the state of an account's tokens: key "tokens/<account>" in the account's shard.
type Tokens struct {
	V      int     `json:"v"`
	Tokens []Token `json:"tokens"` // in the order in which they were made
}

// TokensKey is the key of an account's tokens.
func TokensKey(account string) string { return "tokens/" + account }

// Find gives the place of a token with this id; below 0: there is none.
func (t Tokens) Find(id string) int {
	return slices.IndexFunc(t.Tokens, func(one Token) bool { return one.ID == id })
}

// The scopes that a token can have.
const (
	Read  = "read"
	Send  = "send"
	Lists = "lists"
	Admin = "admin" // everything in its account
)

// Scopes gives all scopes.
func Scopes() []string { return []string{Read, Send, Lists, Admin} }

// Sum is what is kept of a secret: its SHA-256, in hex. A secret is 32 random bytes, so that no salt is needed.
func Sum(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// A secret is "og_", the account's id, "_" and 32 random bytes, both in base64url. It names its account, so that the account's
// state alone has to be looked at.
const (
	secretPrefix = "og_"
	secretBytes  = 32
)

var alphabet = base64.RawURLEncoding

// NewSecret makes the secret of a token of an account.
func NewSecret(account string) string {
	chance := make([]byte, secretBytes)
	_, _ = rand.Read(chance) // it never fails
	return secretPrefix + alphabet.EncodeToString([]byte(account)) + "_" + alphabet.EncodeToString(chance)
}

// AccountOf gives the account that a secret names; ok is false where it is no secret of this form.
func AccountOf(secret string) (account string, ok bool) {
	rest, ok := strings.CutPrefix(secret, secretPrefix)
	end := len(rest) - alphabet.EncodedLen(secretBytes) - 1
	if !ok || end < 1 || rest[end] != '_' {
		return "", false
	}
	id, err := alphabet.DecodeString(rest[:end])
	if err != nil || alphabet.EncodeToString(id) != rest[:end] { // it may be written in one way only
		return "", false
	}
	chance, err := alphabet.DecodeString(rest[end+1:])
	return string(id), err == nil && len(chance) == secretBytes
}
