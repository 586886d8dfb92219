package api

import (
	"fmt"
	"slices"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// country gives the default country of phones for a channel; for all channels, the one that all of them have. "" where
// there is none.
func (a *API) country(account optout.Account, channel string) string {
	if channel != chat.AnyChannel && channel != "" {
		one, _ := a.Directory.Channel(account.ID, channel)
		return one.DefaultCountry
	}
	countries := a.countries(account)
	if len(countries) != 1 {
		return ""
	}
	return countries[0]
}

// countries gives the default countries of an account's channels, each once.
func (a *API) countries(account optout.Account) []string {
	var all []string
	for id := range account.Numbers {
		if one, ok := a.Directory.Channel(account.ID, id); ok && one.DefaultCountry != "" {
			all = append(all, strings.ToUpper(one.DefaultCountry))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// openChannel says what is wrong with a channel that something new is to be filed for; nil where it is the account's and
// open, or "*".
func (a *API) openChannel(account optout.Account, id string) *fault.Field {
	if _, open := a.Directory.Channel(account.ID, id); open || id == chat.AnyChannel {
		return nil
	}
	wrong := unknownChannel(id)
	if _, once := account.Numbers[id]; once {
		wrong = fault.Field{Field: "channel", Code: "closed_channel", Detail: fmt.Sprintf("%q is a closed channel of this account", id)}
	}
	if id == "" {
		wrong.Detail = `names a channel, or "*" for all`
	}
	return &wrong
}

// onceChannel says what is wrong with a channel that something old may be filed for: one that is closed by now will do.
func (a *API) onceChannel(account optout.Account, id string) *fault.Field {
	if _, once := account.Numbers[id]; once {
		return nil
	}
	return a.openChannel(account, id)
}

// readEmail reads an e-mail address that is filed for a channel: there are no channels of mail, so that it is "*".
func readEmail(text, channel string) (chat.Identifier, error) {
	if channel != chat.AnyChannel && channel != "" {
		return "", fault.New(fault.Unprocessable, "wrong_channel", `an e-mail is opted out of an e-mail channel or "*"`)
	}
	return chat.Email(text)
}
