// Package optout decides who may not be written to: opt-out lists and their words, identifiers and their links, the
// fold of consent and its ledger. It touches nothing.
package optout

import "optgate/pipeline/chat"

// List is one opt-out list of an account.
type List struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Description   string   `json:"description,omitempty"`
	Keywords      []string `json:"keywords,omitempty"`       // as written; matched after Fold
	OptinKeywords []string `json:"optin_keywords,omitempty"` // lift what this list's words did
	Confirmation  string   `json:"confirmation,omitempty"`   // sent to who opted out by message
	OptinMessage  string   `json:"optin_message,omitempty"`
	WebhookURL    string   `json:"webhook_url,omitempty"`
	Channels      []string `json:"channels"` // where its keywords listen; "*": everywhere
	Scope         string   `json:"scope"`    // what an opt-out by message covers: channel or all
	System        bool     `json:"system"`   // can't be deleted
}

// The scopes of a list.
const (
	ScopeChannel = "channel"
	ScopeAll     = "all"
)

// Account is the state of an account: key "account/<id>" in the account's shard.
type Account struct {
	V       int            `json:"v"`
	ID      string         `json:"id"`
	Key     chat.Key       `json:"key"`     // of its pseudonyms; the first one shown is kept for ever
	Numbers map[string]int `json:"numbers"` // channel id → its number, from 101, never reused
	Lists   []List         `json:"lists"`   // the system lists first
}

// AccountKey is the key of an account's state.
func AccountKey(id string) string { return "account/" + id }

// PersonKey is the key of one identifier's state, in the shard of its pseudonym.
func PersonKey(account string, p chat.Pseudonym) string {
	return "person/" + account + "/" + p.String()
}

// Match is what a word means to a list.
type Match struct {
	List  string
	Optin bool // lifts, instead of opting out
}
