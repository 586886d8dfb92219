package ingress

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// Unsubscribe is what unsubscribe links stand on.
type Unsubscribe struct {
	Accounts  accounts // nil: there are no links here
	States    states
	Directory *chat.Directory
	Shards    chat.Shards
	Publisher stream.Publisher // appends commands
	Sender    string           // who runs the gateway, for people; "": the account's id is shown
	Support   string           // e-mail address or URL for questions
}

// accounts gives accounts' definitions; a fault.NotFound where there is none.
type accounts interface {
	Account(ctx context.Context, id string) (optout.Account, error)
}

// states reads states of a shard: nil where there is none, an error where nobody can know.
type states interface {
	States(ctx context.Context, shard int, keys ...string) ([][]byte, error)
}

const (
	links       = "/u/"
	mostPress   = 4 << 10 // bytes of a press: a form with one field
	pagesAtOnce = 64      // that are looked at: their readers come back
	pressAtOnce = 512     // few mail programs press again; the other requests that run (2,048) are webhooks'
)

// The rules of opt-outs by link.
const (
	ruleOneClick = "one-click" // a mail program's, as RFC 8058 has it
	rulePage     = "page"      // a person's press of the button
)

// unsubscribe answers an unsubscribe link. Mail programs and scanners open links by themselves, so that GET and HEAD only
// explain; every POST is a press, whatever its body, since nothing else could be meant by it. 200 to a press says that
// Kafka has acknowledged it.
func (i *Ingress) unsubscribe(ctx context.Context, rc *fasthttp.RequestCtx, token string) {
	if !allow(rc, "GET", "HEAD", "POST") {
		return
	}
	result, shown := i.follow(ctx, rc, token)
	shown.Support = i.Unsubscribe.Support
	if strings.Contains(shown.Support, "://") {
		shown.SupportURL = shown.Support
	} else if shown.Support != "" {
		shown.SupportURL = "mailto:" + shown.Support
	}
	i.pages.answer(rc, result.status(), shown)
	i.Metrics.Link(string(result))
	i.Log.Debug().Str("result", string(result)).Dur("took", time.Since(rc.Time())).Msg("unsubscribe link")
}

// linkResult is how a request for an unsubscribe link ended: the label of optgate_unsubscribe_links_total.
type linkResult string

// The results.
const (
	linkShown       linkResult = "shown"       // 200: nothing has changed
	linkPressed     linkResult = "pressed"     // 200: Kafka has acknowledged the opt-out
	linkUnknown     linkResult = "unknown"     // 404: no token of ours
	linkGone        linkResult = "gone"        // 410: its account or list is there no more
	linkTooLarge    linkResult = "too_large"   // 413: no press is as long
	linkBroken      linkResult = "broken"      // 400: the body broke off
	linkBusy        linkResult = "busy"        // 503: too many requests or pages at once
	linkUnavailable linkResult = "unavailable" // 503: not looked up or not acknowledged
)

func (r linkResult) status() int {
	switch r {
	case linkShown, linkPressed:
		return fasthttp.StatusOK
	case linkUnknown:
		return fasthttp.StatusNotFound
	case linkGone:
		return fasthttp.StatusGone
	case linkTooLarge:
		return fasthttp.StatusRequestEntityTooLarge
	case linkBroken:
		return fasthttp.StatusBadRequest
	default:
		return fasthttp.StatusServiceUnavailable
	}
}

// follow decides what is answered.
func (i *Ingress) follow(ctx context.Context, rc *fasthttp.RequestCtx, token string) (result linkResult, shown page) {
	press := ""
	running, most := &i.showing, int64(pagesAtOnce)
	if rc.IsPost() {
		running, most = &i.pressing, pressAtOnce
		body, err := httpd.ReadBody(rc, mostPress, nil, func(int) error { return nil })
		switch {
		case err != nil && fault.KindOf(err) == fault.Unavailable:
			return linkBusy, later(rc)
		case err != nil && fault.KindOf(err) == fault.TooLarge:
			return linkTooLarge, unreadable()
		case err != nil:
			return linkBroken, unreadable()
		}
		press = ruleOf(body)
	}
	defer running.Add(-1)
	if running.Add(1) > most {
		return linkBusy, later(rc)
	}
	ctx = i.within(ctx)
	account, u, err := i.opened(ctx, token)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return linkUnknown, unknown()
	case err != nil && fault.KindOf(err) == fault.Conflict:
		return linkGone, nobody()
	case err != nil:
		i.failures.Warn().Err(err).Msg("unsubscribe link could not be looked up")
		return linkUnavailable, later(rc)
	}
	list, ok := account.List(u.List)
	if !ok { // never 200, not to a press either: other lists that the sender may use now don't know of it
		return linkGone, gone()
	}
	return i.answerLink(ctx, rc, account, list, u, press)
}

// opened gives the account that made a token, and what the token is for. The error's kind is NotFound for what nobody made,
// Conflict for an account that is there no more.
func (i *Ingress) opened(ctx context.Context, token string) (a optout.Account, u optout.Unsubscribe, err error) {
	name, ok := optout.LinkAccount(token)
	if !ok {
		return a, u, fault.New(fault.NotFound, "unknown_link", "That is no link of ours.")
	}
	a, err = i.Unsubscribe.Accounts.Account(ctx, name)
	if fault.KindOf(err) == fault.NotFound && err != nil || err == nil && len(a.Key) == 0 {
		return a, u, fault.New(fault.Conflict, "unknown_account", "The account is there no more.")
	}
	if err != nil {
		return a, u, err
	}
	sealer, err := optout.NewLinkSealer(a.ID, a.Key)
	if err != nil {
		return a, u, err
	}
	if u, ok = sealer.Open(token); !ok {
		return a, u, fault.New(fault.NotFound, "unknown_link", "That is no link of ours.")
	}
	return a, u, nil
}

// answerLink shows what a link does, or does it.
func (i *Ingress) answerLink(ctx context.Context, rc *fasthttp.RequestCtx, a optout.Account, list optout.List, u optout.Unsubscribe, press string) (linkResult, page) {
	channel, _ := i.Unsubscribe.Directory.Channel(a.ID, u.Channel)
	covers := list.Covers(u.Channel)
	shown := page{
		Title: "Stop these messages?", Sender: i.Unsubscribe.Sender, Who: masked(u.Who), Where: where(channel, covers),
		List: list.Name, Description: list.Description, Ask: true,
	}
	if shown.Sender == "" {
		shown.Sender = a.ID
	}
	barred, after := i.standing(ctx, a, list.ID, covers, u.Who)
	if press == "" && !barred {
		return linkShown, shown
	}
	result := linkShown
	if press != "" {
		if err := i.press(ctx, a, list, covers, u.Who, press, after); err != nil {
			i.failures.Warn().Err(err).Msg("press of an unsubscribe link was not kept")
			return linkUnavailable, later(rc)
		}
		result = linkPressed
	}
	shown.Title, shown.Ask, shown.Done, shown.Before = "These messages are stopped", false, true, press == ""
	shown.Confirmation = list.Confirmation
	return result, shown
}

// press keeps an opt-out. It is never left out because the person is out already: an opt-in that is on its way would then
// win over the later press. No message confirms it, since the page does.
func (i *Ingress) press(ctx context.Context, a optout.Account, list optout.List, covers string, who chat.Identifier, rule string, after int64) error {
	made := i.Now().UnixMilli()
	change := optout.Change{
		Who: []optout.Ref{{ID: who, P: a.Key.Pseudonym(who)}}, Out: true,
		Marks: []optout.Mark{{
			List: list.ID, Channel: covers, At: max(made, after+1), Source: optout.SourceLink, Rule: rule, Feed: list.Feeds(true),
		}},
	}
	records, err := change.Records(i.Unsubscribe.Shards, "link/"+rand.Text(), a.ID, made)
	if err != nil {
		return err
	}
	return i.Unsubscribe.Publisher.Publish(ctx, records...)
}

// standing says whether a list bars a person, and when they last opted in by what is known (ms since 1970): a press is later
// than what the person may have seen before it, whatever the clocks say. Where nobody can know, nothing bars.
func (i *Ingress) standing(ctx context.Context, a optout.Account, list, channel string, who chat.Identifier) (barred bool, optedIn int64) {
	p := a.Key.Pseudonym(who)
	states, err := i.Unsubscribe.States.States(ctx, i.Unsubscribe.Shards.Of(p), optout.PersonKey(a.ID, p))
	if err != nil || states[0] == nil {
		return false, 0
	}
	var person optout.Person
	if err := json.Unmarshal(states[0], &person); err != nil {
		return false, 0
	}
	for _, e := range person.Entries {
		if e.List != list || e.Channel != channel && e.Channel != chat.AnyChannel {
			continue
		}
		barred = barred || e.Barred()
		if e.Channel == channel {
			optedIn = e.In
		}
	}
	return barred, optedIn
}

// ruleOf tells the page's own form from every other press.
func ruleOf(body []byte) string {
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("by") == rulePage {
		return rulePage
	}
	return ruleOneClick
}
