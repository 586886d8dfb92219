package ingress_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"optgate/gateway/ingress"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

const two = chat.Shards(2)

// book is what the listener knows of accounts and people.
type book struct {
	accounts map[string]optout.Account
	people   map[string]optout.Person // by state key
	away     error
}

func (b *book) Account(_ context.Context, id string) (optout.Account, error) {
	a, ok := b.accounts[id]
	switch {
	case b.away != nil:
		return a, b.away
	case !ok:
		return a, fault.New(fault.NotFound, "unknown_account", "There is no such account.")
	}
	return a, nil
}

func (b *book) States(_ context.Context, _ int, keys ...string) (found [][]byte, err error) {
	for _, k := range keys {
		var raw []byte
		if p, ok := b.people[k]; ok {
			raw, err = json.Marshal(p)
		}
		found = append(found, raw)
	}
	return found, errors.Join(err, b.away)
}

// letterbox is a public listener with unsubscribe links, and whom its account's are for.
type letterbox struct {
	door
	book  *book
	press *log // commands
	acme  optout.Account
}

var ada = optout.Unsubscribe{Who: "phone:447700900101", List: "offers", Channel: "wa"}

func openLetterbox(t *testing.T, with func(*ingress.Options)) letterbox {
	t.Helper()
	l := letterbox{press: &log{}}
	l.acme = optout.Account{ID: "acme", Key: chat.Key("0123456789abcdef"), Lists: []optout.List{
		{ID: "offers", Name: "Offers <b>&", Description: "Sales & \"news\"", Confirmation: "No more offers.\n<i>Bye</i>", Scope: optout.ScopeChannel, WebhookURL: "https://example.com/feed"},
		{ID: "all", Name: "الكل", Scope: optout.ScopeAll},
	}}
	l.book = &book{accounts: map[string]optout.Account{"acme": l.acme, "erased": {ID: "erased"}}, people: map[string]optout.Person{}}
	l.door = open(t, func(o *ingress.Options) {
		o.Unsubscribe = ingress.Unsubscribe{
			Accounts: l.book, States: l.book, Shards: two, Publisher: l.press,
			Directory: chat.NewDirectory([]string{"acme"}, []chat.Channel{{Account: "acme", ID: "wa", Kind: chat.WhatsApp}}),
		}
		if with != nil {
			with(o)
		}
	})
	return l
}

// link gives the path of a link of acme's.
func (l letterbox) link(t testing.TB, u optout.Unsubscribe) string {
	t.Helper()
	return "/u/" + tokenOf(t, l.acme, u)
}

func tokenOf(t testing.TB, a optout.Account, u optout.Unsubscribe) string {
	t.Helper()
	s, err := optout.NewLinkSealer(a.ID, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Seal(u)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// say makes a request with a body of a type.
func (l letterbox) say(t *testing.T, method, path, kind, body string) (status int, answer string, header http.Header) {
	t.Helper()
	if kind == "" {
		return l.do(t, method, path, "", body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, l.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	return ask(t, req)
}

// changes gives the changes of consent that were kept.
func (l letterbox) changes(t *testing.T) (all []optout.Change) {
	t.Helper()
	for _, r := range l.press.records() {
		var c shard.Command
		var change optout.Change
		if json.Unmarshal(r.Value, &c) != nil || json.Unmarshal(c.Body, &change) != nil || r.Topic != stream.Commands ||
			c.Kind != optout.CommandChange || c.Account != "acme" || r.Partition != two.Of(change.Who[0].P) {
			t.Fatalf("no change: %s", r.Value)
		}
		all = append(all, change)
	}
	return all
}
