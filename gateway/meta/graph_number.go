package meta

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/outbound"
)

const (
	numberTimeout = 10 * time.Second
	maxNumber     = 64 << 10

	// What is asked about a number, and what every version of Graph knows of that.
	numberFields      = "display_phone_number,quality_rating,throughput,platform_type,is_on_biz_app,status,whatsapp_business_manager_messaging_limit"
	numberFieldsKnown = "display_phone_number,quality_rating,throughput,platform_type"

	codeParameter = 100 // a field that this version doesn't know
	codeToken     = 190
)

// ErrNoToken says that a channel has no access token, so that Graph can't be asked about it.
var ErrNoToken = fault.New(fault.Conflict, "no_access_token", "The channel has no access token.")

// Number asks Graph what it allows a channel's number and how it finds its quality. That Graph refuses the token is an answer,
// too. Its errors hold no number and no token.
func (g *Graph) Number(ctx context.Context, account, channel string) (chat.Notice, error) {
	number, token, ok := g.tokens(account, channel)
	if !ok {
		return chat.Notice{}, ErrNoToken
	}
	ctx, cancel := context.WithTimeout(ctx, numberTimeout)
	defer cancel()
	q := question{method: http.MethodGet, path: []string{number}, query: url.Values{"fields": {numberFields}}, token: token, maxBytes: maxNumber}
	said, err := g.ask(ctx, q)
	if no, refused := errors.AsType[*outbound.Refusal](err); refused && no.Code == codeParameter {
		q.query = url.Values{"fields": {numberFieldsKnown}}
		said, err = g.ask(ctx, q)
	}
	if no, refused := errors.AsType[*outbound.Refusal](err); refused && (no.Code == codeToken || no.Code == 0 && no.HTTP == http.StatusUnauthorized) {
		return chat.Notice{Says: []chat.Said{{Subject: chat.SaysToken, Value: "REFUSED"}}}, nil
	}
	if err != nil {
		return chat.Notice{}, err
	}
	return decodeNumber(said), nil
}

// decodeNumber reads what Graph says of a number.
func decodeNumber(said object) chat.Notice {
	n := chat.Notice{Says: []chat.Said{{Subject: chat.SaysToken, Value: "GOOD"}}}
	say := func(subject, text string) {
		if text = word(text); text != "" {
			n.Says = append(n.Says, chat.Said{Subject: subject, Value: text})
		}
	}
	say(chat.SaysThroughput, said.object("throughput").text("level"))
	say(chat.SaysQuality, said.text("quality_rating"))
	say(chat.SaysStatus, said.text("status"))
	say(chat.SaysTier, said.text("whatsapp_business_manager_messaging_limit"))
	say(chat.SaysDisplay, digitsOf(said.text("display_phone_number")))
	if on := said.get("is_on_biz_app"); on != nil {
		coexists := "FALSE"
		if platform := word(said.text("platform_type")); isTrue(on) && (platform == "" || platform == "CLOUD_API") {
			coexists = "TRUE"
		}
		say(chat.SaysCoexistence, coexists)
	}
	return n
}
