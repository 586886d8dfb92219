package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"optgate/gateway/api"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// made is an answer of POST /v1/unsubscribe-links.
type made struct {
	Links []struct {
		Index     int
		To, Email *string
		URL       string
		Headers   map[string]string
	}
	Errors []fault.Field
}

// opened reads a link of acme's.
func opened(t *testing.T, url string) optout.Unsubscribe {
	t.Helper()
	token, ok := strings.CutPrefix(url, "https://gate.example.com/in/u/")
	if !ok {
		t.Errorf("a link to %s", url)
	}
	s, err := optout.NewLinkSealer("acme", key("acme"))
	if err != nil {
		t.Fatal(err)
	}
	u, ok := s.Open(token)
	if !ok {
		t.Errorf("nobody opens %s", url)
	}
	return u
}

func TestEachRecipientGetsALink(t *testing.T) {
	w := newWorld(t, nil)
	body := `{"list":"news","channel":"wa","recipients":["07700 900101","GB.90210000000000000101","nonsense","+44 7700 900101","ada@example.com",""]}`
	var said made
	first := w.call(t, "acme-lists", "POST", "/v1/unsubscribe-links", body).is(200, "")
	first.into(&said)
	ada := chat.Identifier("phone:447700900101")
	for i, want := range []struct {
		index int
		who   chat.Identifier
		to    string
	}{{0, ada, "+447700900101"}, {1, "bsuid:GB.90210000000000000101", "GB.90210000000000000101"}, {3, ada, "+447700900101"}} {
		l := said.Links[i]
		if u := opened(t, l.URL); u != (optout.Unsubscribe{Who: want.who, List: "news", Channel: "wa"}) {
			t.Errorf("link %d is for %+v", i, u)
		}
		if l.Index != want.index || l.To == nil || *l.To != want.to || l.Email != nil {
			t.Errorf("link %d: %+v", i, l)
		}
		if l.Headers["List-Unsubscribe"] != "<"+l.URL+">" || l.Headers["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click" || len(l.Headers) != 2 {
			t.Errorf("headers %v", l.Headers)
		}
	}
	var wrong []string
	for _, e := range said.Errors {
		wrong = append(wrong, e.Field+" "+e.Code)
	}
	if len(said.Links) != 3 || said.Links[0].URL != said.Links[2].URL ||
		!slices.Equal(wrong, []string{"recipients[2] invalid_number", "recipients[4] wrong_channel", "recipients[5] invalid_number"}) {
		t.Errorf("%d links, errors %v", len(said.Links), wrong)
	}
	if again := w.call(t, "acme-lists", "POST", "/v1/unsubscribe-links", body); string(again.body) != string(first.body) {
		t.Error("asked again, the links are others")
	}

	w.call(t, "acme-lists", "POST", "/v1/unsubscribe-links", `{"list":"default","channel":"*","recipients":["Ada@EXAMPLE.com","@"]}`).is(200, "").into(&said)
	if l := said.Links[0]; l.To != nil || *l.Email != "Ada@example.com" || opened(t, l.URL) != (optout.Unsubscribe{Who: "email:Ada@example.com", List: "default", Channel: "*"}) {
		t.Errorf("%+v", l)
	}
	if len(said.Errors) != 1 || said.Errors[0].Code != "invalid_email" {
		t.Errorf("%+v", said.Errors)
	}
	if len(w.logs[stream.Commands][0])+len(w.logs[stream.Commands][1]) != 0 {
		t.Error("making links has changed something")
	}
}

func TestWhatNoLinkCanBeMadeForIsTold(t *testing.T) {
	w := newWorld(t, nil)
	many := make([]string, 1001)
	for i := range many {
		many[i] = "+447700900101"
	}
	tooMany, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		body   string
		status int
		code   string
		fields []string
	}{
		{`{}`, 422, "invalid_fields", []string{"list required", "channel required", "recipients required"}},
		{`{"list":"nowhere","channel":"wb","recipients":[]}`, 422, "invalid_fields", []string{"list unknown_list", "channel unknown_channel", "recipients required"}},
		{`{"list":"meta","channel":"wa","recipients":["+447700900101"]}`, 422, "invalid_field", []string{"list system_list"}},
		{fmt.Sprintf(`{"list":"news","channel":"wa","recipients":%s}`, tooMany), 422, "invalid_field", []string{"recipients too_many"}},
		{`{"list":"news","channel":"wa","recipients":[7]}`, 422, "invalid_field", []string{"recipients wrong_type"}},
		{`{"list":"news","channel":"wa","to":["+447700900101"]}`, 422, "invalid_field", []string{"to unknown_field"}},
		{`[`, 400, "invalid_json", nil},
		{strings.Repeat(" ", 512<<10) + `{}`, 413, "too_large", nil},
	} {
		r := w.call(t, "acme-lists", "POST", "/v1/unsubscribe-links", f.body).is(f.status, f.code)
		if names := r.fields(); !slices.Equal(names, f.fields) {
			t.Errorf("%.60s: fields %v", f.body, names)
		}
	}
	one := `{"list":"news","channel":"wa","recipients":["+447700900101"]}`
	w.call(t, "acme-read", "POST", "/v1/unsubscribe-links", one).is(403, "forbidden")
	w.call(t, "", "POST", "/v1/unsubscribe-links", one).is(401, "unauthorized")
	w.call(t, "globex-admin", "POST", "/v1/unsubscribe-links", one).is(422, "invalid_fields") // neither list nor channel is theirs
	w.call(t, "nobody-admin", "POST", "/v1/unsubscribe-links", one).is(404, "unknown_account")

	r := newWorld(t, func(o *api.Options) { o.BaseURL = "" }).call(t, "acme-lists", "POST", "/v1/unsubscribe-links", one).is(422, "no_base_url")
	if !strings.Contains(string(r.body), "public.base_url") {
		t.Errorf("nobody learns what to do: %s", r.body)
	}
}
