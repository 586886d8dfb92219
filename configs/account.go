package configs

import "optgate/pipeline/chat"

// Account is one business that sends through the gateway. Accounts see nothing of each other.
type Account struct {
	ID       string    `yaml:"id"`       // letters, digits, dots, underscores and dashes, at most 64; state hangs on it, so it can't be renamed
	Tokens   []Token   `yaml:"tokens"`   // of its API
	Channels []Channel `yaml:"channels"` // its ways to reach people
}

// Token lets its bearer act for one account.
type Token struct {
	Name   string   `yaml:"name"`   // for logs
	Token  Secret   `yaml:"token"`  // the bearer token, as long and random as a password
	Scopes []string `yaml:"scopes"` // what it may do: read, send, lists; admin: everything
}

// The scopes of a token.
const (
	ScopeRead  = "read"
	ScopeSend  = "send"
	ScopeLists = "lists"
	ScopeAdmin = "admin"
)

// Channel is one way to reach people.
type Channel struct {
	ID                string  `yaml:"id"`                  // unique in its account; state hangs on it, so it can't be renamed
	Kind              string  `yaml:"kind"`                // whatsapp, messenger or instagram
	Number            int     `yaml:"number"`              // unique in its account, from 101; what feeds and Picky-compatible calls name it by; 0: the next free one
	PhoneNumberID     string  `yaml:"phone_number_id"`     // whatsapp: Meta's id of the phone number, which webhooks name
	WABAID            string  `yaml:"waba_id"`             // whatsapp: Meta's id of the business account
	PageID            string  `yaml:"page_id"`             // messenger: Meta's id of the page, which webhooks name
	InstagramID       string  `yaml:"instagram_id"`        // instagram: Meta's id of the professional account, which webhooks name
	AccessToken       Secret  `yaml:"access_token"`        // for calls to Graph; without it the channel receives and can't send
	DefaultCountry    string  `yaml:"default_country"`     // ISO 3166, as GB, for phone numbers written without a country code; empty: such numbers are invalid
	MessagesPerSecond float64 `yaml:"messages_per_second"` // sent at most; 0: what Meta says that it allows the number, 80 until that is known. A number that the app on a phone uses too gets 20 at most
	Portfolio         string  `yaml:"portfolio"`           // whatsapp: our name for the business portfolio, whose numbers share one limit of people in 24 h; empty: the business account is one of its own
}

// NumberID gives what webhooks name the channel by: phone_number_id, page_id or instagram_id.
func (c *Channel) NumberID() string {
	switch c.Kind {
	case chat.Messenger:
		return c.PageID
	case chat.Instagram:
		return c.InstagramID
	}
	return c.PhoneNumberID
}
