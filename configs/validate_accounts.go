package configs

import (
	"regexp"
	"strconv"

	"golang.org/x/text/language"

	"optgate/pipeline/chat"
)

func (k *checker) accounts(accounts []Account) {
	for i := range accounts {
		account := &accounts[i]
		path := at("accounts", i)
		k.id(path+".id", account.ID)
		k.unique(path+".id", "account", account.ID)
		for j, token := range account.Tokens {
			k.accountToken(at(path+".tokens", j), account.ID, token)
		}
		for j := range account.Channels {
			k.channel(at(path+".channels", j), path, &account.Channels[j])
		}
	}
}

func (k *checker) accountToken(path, account string, t Token) {
	k.name(path+".name", t.Name)
	k.unique(path+".name", "token of "+account, t.Name)
	k.token(path+".token", t.Token)
	if len(t.Scopes) == 0 {
		k.badf(path+".scopes", "must name at least one of read, send, lists, admin")
	}
	for i, scope := range t.Scopes {
		k.oneOf(at(path+".scopes", i), scope, ScopeRead, ScopeSend, ScopeLists, ScopeAdmin)
		k.unique(at(path+".scopes", i), "scope in "+path, scope)
	}
}

// channel checks one channel; account is the path of its account.
func (k *checker) channel(path, account string, c *Channel) {
	k.id(path+".id", c.ID)
	k.unique(path+".id", "channel in "+account, c.ID)
	if c.Number != 0 {
		k.between(path+".number", c.Number, firstNumber, lastNumber)
		k.unique(path+".number", "number in "+account, strconv.Itoa(c.Number))
	}
	k.numberIDs(path, c)
	if c.AccessToken.Reveal() == Redacted {
		k.secret(path+".access_token", c.AccessToken)
	}
	if c.DefaultCountry != "" && !isCountry(c.DefaultCountry) {
		k.badf(path+".default_country", "must be two capital letters of ISO 3166, as GB")
	}
	if c.MessagesPerSecond < 0 || c.MessagesPerSecond > maxRate {
		k.badf(path+".messages_per_second", "must be at most %d, or 0 for what Meta says", maxRate)
	}
	if c.Portfolio != "" {
		k.id(path+".portfolio", c.Portfolio)
	}
}

const (
	firstNumber = 101
	lastNumber  = 1_000_000
	maxRate     = 10_000
)

var digits = regexp.MustCompile(`^[0-9]{1,32}$`)

// numberIDs checks Meta's ids: the ones that the kind has, the one that webhooks name at least, and no number twice, since a
// webhook could not be routed then.
func (k *checker) numberIDs(path string, c *Channel) {
	ids := []struct{ key, kind, value string }{
		{"phone_number_id", chat.WhatsApp, c.PhoneNumberID},
		{"waba_id", chat.WhatsApp, c.WABAID},
		{"page_id", chat.Messenger, c.PageID},
		{"instagram_id", chat.Instagram, c.InstagramID},
	}
	k.oneOf(path+".kind", c.Kind, chat.WhatsApp, chat.Messenger, chat.Instagram)
	for _, id := range ids {
		at := path + "." + id.key
		switch {
		case id.value == "" && id.kind == c.Kind && id.key != "waba_id":
			k.badf(at, "must be given for %s: webhooks name the channel by it", c.Kind)
		case id.value == "":
		case id.kind != c.Kind:
			k.badf(at, "belongs to channels of kind %s: remove it", id.kind)
		case !digits.MatchString(id.value):
			k.badf(at, "must be digits, as Meta shows it")
		case id.key != "waba_id":
			k.unique(at, id.key, id.value)
		}
	}
}

// isCountry says whether a code is one that phone numbers are read with; UK, for one, is not.
func isCountry(code string) bool {
	region, err := language.ParseRegion(code)
	return err == nil && region.IsCountry() && region.Canonicalize().String() == code
}
