package template_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"optgate/pipeline/template"
)

// offer has one of everything that is filled by position.
var offer = template.Template{
	Name: "offer", Language: "en", Status: template.Approved, Category: "MARKETING", Format: "POSITIONAL",
	Components: []template.Component{
		{Type: "HEADER", Format: "IMAGE"},
		{Type: "BODY", Text: "Hi {{1}}, {{2}} for you, {{1}}"},
		{Type: "FOOTER", Text: "Reply STOP to end this"},
		{Type: "BUTTONS", Buttons: []template.Button{
			{Type: "QUICK_REPLY", Text: "Stop promotions"}, {Type: "URL", Text: "Shop", URL: "https://shop.example/{{1}}"},
			{Type: "URL", Text: "About", URL: "https://shop.example/about"}, {Type: "COPY_CODE", Text: "Copy"},
		}},
	},
}

const (
	image = `{"type":"header","parameters":[{"type":"image","image":{"library":"f1"}}]}`
	body  = `{"type":"body","parameters":[{"type":"text","text":"{{name}}"},{"type":"currency","currency":{"fallback_value":"1","code":"EUR","amount_1000":1000}}]}`
	shop  = `{"type":"button","sub_type":"url","index":"1","parameters":[{"type":"text","text":"a"}]}`
	code  = `{"type":"button","sub_type":"copy_code","index":3,"parameters":[{"type":"coupon_code","coupon_code":"X"}]}`
)

// wrongWith checks a message of these components, and gives what is wrong as "field code".
func wrongWith(t template.Template, components ...string) (all []string) {
	message := `{"type":"template","template":{"name":"offer","language":{"code":"en"},"components":[` + strings.Join(components, ",") + `]}}`
	for _, f := range t.Check(json.RawMessage(message)) {
		all = append(all, strings.TrimPrefix(f.Field, "message.template.components")+" "+f.Code)
	}
	return all
}

func TestAMessageFillsItsTemplateAndNothingElse(t *testing.T) {
	f := func(name string, with template.Template, components []string, want ...string) {
		t.Helper()
		if got := wrongWith(with, components...); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("all of it", offer, []string{image, body, shop, code})
	f("a payload of a quick reply", offer, []string{image, body, shop, code,
		`{"type":"button","sub_type":"quick_reply","index":"0","parameters":[{"type":"payload","payload":"x"}]}`})
	f("in capitals", offer, []string{strings.ReplaceAll(image, "header", "HEADER"), body, shop, code})
	f("no header", offer, []string{body, shop, code}, " missing_parameter")
	f("nothing", offer, nil, " missing_parameter", " missing_parameter", " missing_parameter", " missing_parameter")
	f("a header of another kind", offer, []string{strings.ReplaceAll(image, "image", "video"), body, shop, code}, "[0].parameters[0].type wrong_type")
	f("a header without a file", offer, []string{strings.ReplaceAll(image, "library", "caption"), body, shop, code}, "[0].parameters[0].image required")
	f("too few", offer, []string{image, `{"type":"body","parameters":[{"type":"text","text":"a"}]}`, shop, code}, "[1].parameters wrong_count")
	f("too many", offer, []string{image, strings.Replace(body, "]}", `,{"type":"text","text":"b"}]}`, 1), shop, code}, "[1].parameters wrong_count")
	f("an empty one", offer, []string{image, strings.ReplaceAll(body, "{{name}}", " "), shop, code}, "[1].parameters[0].text required")
	f("a name where there are none", offer, []string{image, strings.Replace(body, `"text":"{{name}}"`, `"text":"a","parameter_name":"x"`, 1), shop, code},
		"[1].parameters[0].parameter_name unknown_parameter")
	f("a button that isn't there", offer, []string{image, body, shop, code, strings.Replace(shop, `"1"`, `"4"`, 1)}, "[4].index out_of_range")
	f("a button without a number", offer, []string{image, body, code, strings.Replace(shop, `"1"`, `"-1"`, 1)}, "[3].index required", " missing_parameter")
	f("a button that takes nothing", offer, []string{image, body, shop, code, strings.Replace(shop, `"1"`, `"2"`, 1)}, "[4] no_parameters")
	f("a button of another kind", offer, []string{image, body, strings.Replace(shop, "url", "quick_reply", 1), code}, "[2].sub_type wrong_type")
	f("a button twice", offer, []string{image, body, shop, shop, code}, "[3] repeated")
	f("a footer", offer, []string{image, body, shop, code, `{"type":"footer","parameters":[{"type":"text","text":"x"}]}`}, "[4] no_parameters")
	f("what nobody knows", offer, []string{image, body, shop, code, `{"type":"order_status"}`, `7`}, "[4] no_parameters", "[5] wrong_type")
	f("parameters that are none", offer, []string{image, `{"type":"body","parameters":{}}`, shop, code}, "[1].parameters wrong_type")

	named := template.Template{Name: "offer", Language: "en", Status: template.Approved, Components: []template.Component{
		{Type: "HEADER", Format: "TEXT", Text: "For {{who}}"}, {Type: "BODY", Text: "{{first}} and {{second}}"}}}
	head := `{"type":"header","parameters":[{"type":"text","parameter_name":"who","text":"a"}]}`
	both := func(a, b string) string {
		return `{"type":"body","parameters":[{"type":"text","parameter_name":"` + a + `","text":"a"},{"type":"text","parameter_name":"` + b + `","text":"b"}]}`
	}
	f("by name", named, []string{head, both("second", "first")})
	f("an unknown name", named, []string{head, both("second", "third")}, "[1].parameters[1].parameter_name unknown_parameter", "[1].parameters missing_parameter")
	f("a name twice", named, []string{head, both("second", "second")}, "[1].parameters[1].parameter_name repeated", "[1].parameters missing_parameter")
	f("no name", named, []string{head, strings.ReplaceAll(both("second", "first"), `"parameter_name":"first",`, "")}, "[1].parameters[1].parameter_name required", "[1].parameters missing_parameter")

	cards := template.Template{Name: "offer", Language: "en", Status: template.Approved, Components: []template.Component{
		{Type: "BODY", Text: "Look"},
		{Type: "CAROUSEL", Cards: []template.Card{{Components: named.Components[1:]}, {Components: offer.Components[:1]}}}}}
	card := func(n, components string) string { return `{"card_index":` + n + `,"components":[` + components + `]}` }
	f("a carousel", cards, []string{`{"type":"carousel","cards":[` + card("0", both("first", "second")) + "," + card("1", image) + `]}`})
	f("a carousel without a card", cards, []string{`{"type":"carousel","cards":[` + card("0", both("first", "second")) + `]}`}, "[0].cards wrong_count")
	f("a carousel with cards changed", cards, []string{`{"type":"carousel","cards":[` + card("0", image) + "," + card("1", both("first", "second")) + `]}`},
		"[0].cards[0].components[0] no_parameters", "[0].cards[0].components missing_parameter", "[0].cards[1].components[0] no_parameters", "[0].cards[1].components missing_parameter")
	f("no carousel", cards, nil, " missing_parameter")

	f("of a kind that is unknown here", template.Template{Name: "offer", Language: "en", Status: template.Approved, Components: []template.Component{{Type: "TAP_TARGET"}}},
		[]string{`{"type":"tap_target","parameters":[1,{"type":"any"}]}`})
	f("without variables", template.Template{Name: "offer", Language: "en", Status: template.Approved, Components: []template.Component{{Type: "BODY", Text: "Hi"}}},
		[]string{`{"type":"body"}`})
}

func TestOnlyApprovedTemplatesAreSent(t *testing.T) {
	f := func(with template.Template, want string) {
		t.Helper()
		wrong := with.Check(json.RawMessage(`{"type":"template","template":{"name":"offer","language":{"code":"de"}}}`))
		if len(wrong) != 1 || wrong[0].Code != want {
			t.Errorf("%v, want %s", wrong, want)
		}
	}
	f(template.Template{}, "unknown_template")
	f(template.Template{Languages: []string{"en", "fr"}}, "unknown_language")
	f(template.Template{Name: "offer", Language: "de", Status: "PAUSED"}, "not_approved")
	if wrong := (template.Template{}).Check(json.RawMessage(`{"type":"text","text":{"body":"Hi"}}`)); wrong != nil {
		t.Errorf("a text has no template: %v", wrong)
	}
}

func TestMarketingIsSentAsMarketing(t *testing.T) {
	f := func(at, as string, fits bool) {
		t.Helper()
		if wrong := (template.Template{Name: "t", Category: at}).Belongs(as); (wrong == nil) != fits {
			t.Errorf("%s sent as %s: %v", at, as, wrong)
		}
	}
	f("MARKETING", "marketing", true)
	f("MARKETING", "utility", false)
	f("MARKETING", "service", false)
	f("UTILITY", "marketing", true)
	f("UTILITY", "utility", true)
	f("", "utility", true)
}

func TestWhatATemplateShows(t *testing.T) {
	if got := strings.Join(offer.Texts(), "|"); got != "Hi {{1}}, {{2}} for you, {{1}}|Reply STOP to end this|Stop promotions|Shop|About|Copy" {
		t.Error(got)
	}
	if len(offer.Buttons()) != 4 || offer.Buttons()[0].Text != "Stop promotions" {
		t.Error(offer.Buttons())
	}
	needs := offer.Needs()
	if len(needs) != 5 || needs[1].Count != 2 || needs[0].Kind != "image" || *needs[4].Index != 3 || !needs[2].Optional {
		t.Errorf("%+v", needs)
	}
}

// FuzzCheck looks for a message that makes the check fall over, and for one that is well though it leaves something out.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"type":"template","template":{"name":"offer","language":{"code":"en"},"components":[` + image + "," + body + `]}}`))
	f.Add([]byte(`{"type":"template","template":{"name":"offer","language":{"code":"en"},"components":[{"type":"carousel","cards":[null]}]}}`))
	f.Add([]byte(`{"type":"template","template":{"name":"offer","language":{"code":"en"},"components":[{"type":"button","index":"99999999999999999999"}]}}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		wrong := offer.Check(message)
		var sent struct {
			Type     string
			Template struct {
				Name       string
				Language   struct{ Code string }
				Components []json.RawMessage
			}
		}
		if json.Unmarshal(message, &sent) != nil || sent.Type != "template" || sent.Template.Name == "" || sent.Template.Language.Code == "" {
			return
		}
		if len(wrong) == 0 && len(sent.Template.Components) < 4 {
			t.Errorf("%d components, and nothing is wrong", len(sent.Template.Components))
		}
	})
}
