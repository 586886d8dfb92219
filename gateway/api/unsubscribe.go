package api

import (
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

const (
	mostLinks    = 1000      // recipients of a call
	mostLinkBody = 512 << 10 // bytes: as many of the longest addresses
	linkPath     = "/u/"     // of the public listener
	oneClick     = "List-Unsubscribe=One-Click"
)

// newLinks is the body of POST /v1/unsubscribe-links.
type newLinks struct {
	List       string   `json:"list"`
	Channel    string   `json:"channel"`
	Recipients []string `json:"recipients"` // phones, BSUIDs and e-mail addresses
}

// linkOf is one recipient's unsubscribe link.
type linkOf struct {
	Index   int               `json:"index"` // of the recipient, from 0
	To      *string           `json:"to"`
	Email   *string           `json:"email"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"` // of a mail, as RFC 8058 has them
}

// createLinks gives each recipient's link to leave a list. A recipient who can't be read has an error in place of a link, and
// harms no other. The same recipient, list and channel always have the same link; nothing is kept for it.
func (a *API) createLinks(c *call) error {
	c.changesNothing()
	if a.BaseURL == "" {
		return fault.New(fault.Unprocessable, "no_base_url",
			"Links need public.base_url in the configuration: the https address by which the world reaches the public listener.")
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	var body newLinks
	if err := c.decode(mostLinkBody, &body); err != nil {
		return err
	}
	channel, known := a.Directory.Channel(c.account, body.Channel)
	if err := wrongFields(body.wrong(account, known)); err != nil {
		return err
	}
	sealer, err := optout.NewLinkSealer(account.ID, account.Key)
	if err != nil {
		return err
	}
	said := struct {
		Links  []linkOf      `json:"links"`
		Errors []fault.Field `json:"errors"` // recipients that have none
	}{[]linkOf{}, []fault.Field{}}
	for i, text := range body.Recipients {
		who, err := leaver(text, channel, body.Channel)
		if err != nil {
			said.Errors = append(said.Errors, fieldOf(fmt.Sprintf("recipients[%d]", i), err))
			continue
		}
		token, err := sealer.Seal(optout.Unsubscribe{Who: who, List: body.List, Channel: body.Channel})
		if err != nil {
			return err
		}
		link := linkOf{Index: i, URL: strings.TrimSuffix(a.BaseURL, "/") + linkPath + token}
		link.To, link.Email = shown(who)
		link.Headers = map[string]string{"List-Unsubscribe": "<" + link.URL + ">", "List-Unsubscribe-Post": oneClick}
		said.Links = append(said.Links, link)
	}
	return c.answer(fasthttp.StatusOK, said)
}

// wrong gives all wrong fields of the request but recipients, which are told one by one.
func (n newLinks) wrong(account optout.Account, channel bool) (wrong []fault.Field) {
	switch _, ok := account.List(n.List); {
	case n.List == "":
		wrong = append(wrong, fault.Field{Field: "list", Code: "required", Detail: "names the list that the links leave"})
	case !ok:
		wrong = append(wrong, fault.Field{Field: "list", Code: "unknown_list", Detail: "is no opt-out list of this account"})
	case n.List == gate.MetaList:
		wrong = append(wrong, fault.Field{Field: "list", Code: "system_list", Detail: "holds what people switched off inside WhatsApp, and nobody else puts them there"})
	}
	switch {
	case n.Channel == "":
		wrong = append(wrong, fault.Field{Field: "channel", Code: "required", Detail: `names a channel, or "*" for all`})
	case !channel && n.Channel != chat.AnyChannel:
		wrong = append(wrong, unknownChannel(n.Channel))
	}
	switch {
	case len(n.Recipients) == 0:
		wrong = append(wrong, fault.Field{Field: "recipients", Code: "required", Detail: "names whom the links are for"})
	case len(n.Recipients) > mostLinks:
		wrong = append(wrong, fault.Field{Field: "recipients", Code: "too_many", Detail: fmt.Sprintf("holds more than %d: make several calls", mostLinks)})
	}
	return wrong
}

// leaver reads a recipient: an e-mail address, a BSUID or a phone.
func leaver(text string, channel chat.Channel, named string) (chat.Identifier, error) {
	if !strings.Contains(text, "@") {
		return chat.ParseRecipient(text, channel.DefaultCountry)
	}
	if named != chat.AnyChannel {
		return "", fault.New(fault.Unprocessable, "wrong_channel", `an e-mail is opted out of an e-mail channel or "*"`)
	}
	return chat.Email(text)
}
