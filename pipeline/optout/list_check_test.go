package optout_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"optgate/pipeline/optout"
)

// wrong gives the fields that are wrong with a new list, as the API would tell.
func wrong(t *testing.T, body string) (fields []string) {
	t.Helper()
	p, wrong, err := optout.ParseListPatch([]byte(body))
	if err != nil {
		return []string{"no JSON"}
	}
	if len(wrong) == 0 {
		wrong = p.Apply(optout.NewList(), optout.NewList()).Wrong()
	}
	for _, w := range wrong {
		fields = append(fields, w.Field+" "+w.Code)
	}
	return fields
}

func TestLimitsCountCodePointsAndAreToldFieldByField(t *testing.T) {
	text := func(n int) string { return strings.Repeat("😀", n-1) + "a" }
	many := func(n int, pattern string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(pattern, i))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	for _, c := range []struct {
		body string
		want []string
	}{
		{`{"name":"` + text(50) + `","description":"` + text(300) + `","keywords":["` + text(50) + `"],"confirmation":"` + text(300) + `","optin_message":"` + text(300) + `"}`, nil},
		{
			`{"name":"` + text(51) + `","description":"` + text(301) + `","keywords":["ok","` + text(51) + `"],"confirmation":"` + text(301) + `","optin_message":"` + text(301) + `","optin_keywords":["` + text(51) + `"]}`,
			[]string{"name too_long", "description too_long", "confirmation too_long", "optin_message too_long", "keywords[1] too_long", "optin_keywords[0] too_long"},
		},
		{`{}`, []string{"name required"}},
		{`{"name":" \t "}`, []string{"name required"}},
		{`{"name":"\u200b\u2060","confirmation":"\u200b"}`, []string{"name required", "confirmation blank"}},
		{`{"name":"a\u0000b","keywords":["x\u001by"],"confirmation":"two\nlines"}`, []string{"name control_character", "keywords[0] control_character"}},
		{`{"name":"a","confirmation":" \n "}`, []string{"confirmation blank"}},
		{`{"name":"a","keywords":["🛑","…",""," ",null]}`, []string{"keywords[0] no_word", "keywords[1] no_word", "keywords[2] required", "keywords[3] required", "keywords[4] required"}},
		{`{"name":"a","keywords":["Stopp","x"],"optin_keywords":["y","ＳＴＯＰＰ"],"languages":{"fr":{"optin_keywords":["X!"]}}}`, []string{"optin_keywords[1] ambiguous", "languages.fr.optin_keywords[0] ambiguous"}},
		{`{"name":"a","languages":{"fr":{"keywords":["arrêt"]}},"optin_keywords":["ARRET"]}`, []string{"optin_keywords[0] ambiguous"}},
		{`{"name":"a","keywords":` + many(100, `"w%d"`) + `,"languages":{"fr":{"keywords":` + many(101, `"m%d"`) + `}}}`, []string{"languages.fr.keywords too_many"}},
		{`{"name":"a","channels":[]}`, []string{"channels required"}},
		{`{"name":"a","scope":"world"}`, []string{"scope unknown_scope"}},
		{`{"name":"a","languages":{"english":{},"EN":{},"xx":{},"eng":{},"":{}}}`, []string{"languages. unknown_language", "languages.EN unknown_language", "languages.eng unknown_language", "languages.english unknown_language", "languages.xx unknown_language"}},
		{`{"name":"a","languages":{"fr":{"confirmation":"` + text(301) + `","words":1}}}`, []string{"languages.fr.words unknown_field"}},
		{`{"name":"a","languages":{"fr":{"confirmation":"` + text(301) + `"}}}`, []string{"languages.fr.confirmation too_long"}},
		{`{"name":1,"keywords":"stop","optin_keywords":[1,"x",{}],"feed_removals":"yes","languages":[],"id":"x","system":true,"colour":"red"}`, []string{
			"colour unknown_field", "feed_removals wrong_type", "id read_only", "keywords wrong_type", "languages wrong_type", "name wrong_type",
			"optin_keywords[0] wrong_type", "optin_keywords[2] wrong_type", "system read_only",
		}},
		{`[]`, []string{"no JSON"}}, {`null`, []string{"no JSON"}}, {`{}{}`, []string{"no JSON"}}, {``, []string{"no JSON"}},
	} {
		if got := wrong(t, c.body); !slices.Equal(got, c.want) {
			t.Errorf("%.200s:\n got %q\nwant %q", c.body, got, c.want)
		}
	}
}

func TestAWebhookURLIsOneOfTheWeb(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://example.com/optouts?list=1": true, "http://example.com:8080": true, "HTTPS://EXAMPLE.COM": true, "": true,
		"ftp://example.com": false, "example.com": false, "//example.com": false, "https://": false, "https:///path": false, "javascript:alert(1)": false,
		"file:///etc/passwd": false, "https://exa mple.com": false, "http://[::1": false, "https://" + strings.Repeat("a", 2048): false, "mailto:a@example.com": false,
		"https://:443/": false,
	} {
		body, err := json.Marshal(map[string]string{"name": "a", "webhook_url": url})
		if err != nil {
			t.Fatal(err)
		}
		if got := wrong(t, string(body)); (len(got) == 0) != ok {
			t.Errorf("%.80s: %q", url, got)
		}
	}
}

// FuzzParseListPatch holds that whatever is asked for, what is kept of it obeys the limits, is what its command says after a
// journey through a log, and is refused in words that don't grow with the request.
func FuzzParseListPatch(f *testing.F) {
	f.Add(`{"name":"News","keywords":["a",null],"languages":{"fr":{"keywords":["b"]},"de":null},"scope":null}`)
	f.Add(`{"name":1,"colour":[],"languages":{"fr":7}}`)
	f.Fuzz(func(t *testing.T, body string) {
		p, wrong, err := optout.ParseListPatch([]byte(body))
		for _, w := range wrong {
			if len(w.Field) > 600 || len(w.Detail) > 200 {
				t.Fatalf("%q", w)
			}
		}
		if err != nil || len(wrong) > 0 {
			return
		}
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var again optout.ListPatch
		if err := json.Unmarshal(raw, &again); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		l := p.Apply(optout.NewList(), optout.NewList())
		if other := again.Apply(optout.NewList(), optout.NewList()); other.Tag() != l.Tag() {
			t.Fatalf("%s became another list on its way: %+v %+v", raw, l, other)
		}
		if len(l.Wrong()) == 0 && (l.Name == "" || len([]rune(l.Name)) > 50 || len(l.Channels) == 0) {
			t.Fatalf("%+v", l)
		}
	})
}
