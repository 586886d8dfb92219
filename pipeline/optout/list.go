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

	// Languages are words and texts beside those above, by language (ISO 639-1). Who is heard by a language's word is
	// answered with its text, or the list's own where it has none.
	Languages map[string]Language `json:"languages,omitempty"`

	FeedRemovals bool  `json:"feed_removals,omitempty"` // the webhook URL is told of opt-ins too
	Secret       int   `json:"secret,omitempty"`        // how often the feed's secret was changed; see FeedSecret
	SecretAt     int64 `json:"secret_at,omitempty"`     // ms since 1970 of the last of these changes
	Revision     int   `json:"revision,omitempty"`      // how often the list was changed; 0: it is as it was made
}

// Language is what a list hears and says in one language.
type Language struct {
	Keywords      []string `json:"keywords,omitempty"`
	OptinKeywords []string `json:"optin_keywords,omitempty"`
	Confirmation  string   `json:"confirmation,omitempty"`
	OptinMessage  string   `json:"optin_message,omitempty"`
}

// Feeds says whether a change of this list is posted to its webhook URL.
func (l List) Feeds(out bool) bool { return l.WebhookURL != "" && (out || l.FeedRemovals) }

// The scopes of a list.
const (
	ScopeChannel = "channel"
	ScopeAll     = "all"
)

// Account is the state of an account: key "account/<id>" in the account's shard.
type Account struct {
	V       int            `json:"v"`
	ID      string         `json:"id"`
	Key     chat.Key       `json:"key"`              // of its pseudonyms; the first one shown is kept for ever
	Numbers map[string]int `json:"numbers"`          // channel id → its number, from 101, never reused
	Lists   []List         `json:"lists"`            // the system lists first
	Gone    []string       `json:"gone,omitempty"`   // ids of deleted lists: none is given again
	System  int            `json:"system,omitempty"` // SystemVersion of the system lists that nobody has changed
	Blocks  bool           `json:"blocks,omitempty"` // somebody was blocked once, so that messages are compared with the blacklist
}

// AccountKey is the key of an account's state.
func AccountKey(id string) string { return "account/" + id }

// PersonKey is the key of one identifier's state, in the shard of its pseudonym.
func PersonKey(account string, p chat.Pseudonym) string {
	return "person/" + account + "/" + p.String()
}
