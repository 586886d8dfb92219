package broadcast_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"optgate/pipeline/broadcast"
)

// faults gives the fields at fault in a message, with their codes.
func faults(message string) (found []string) {
	_, wrong := broadcast.ParseMessage(json.RawMessage(message))
	for _, w := range wrong {
		found = append(found, strings.TrimPrefix(w.Field, "message.")+" "+w.Code)
	}
	return found
}

func TestEveryKindOfMessageIsHeldAgainstMetasLimits(t *testing.T) {
	f := func(message string, want ...string) {
		t.Helper()
		if got := faults(message); !slices.Equal(got, want) {
			t.Errorf("%.120s: wrong %q, want %q", message, got, want)
		}
	}
	of := func(kind, inner string, args ...any) string {
		return fmt.Sprintf(`{"type":%q,%q:%s}`, kind, kind, fmt.Sprintf(inner, args...))
	}
	e := func(n int) string { return strings.Repeat("é", n) }

	f(of("text", `{"body":%q}`, e(4096)))
	f(of("text", `{"body":%q}`, e(4096)+"{{name}}")) // what it brings counts when it is there
	f(of("text", `{"body":%q,"preview_url":"yes"}`, e(4097)), "text.body too_long", "text.preview_url invalid")
	f(`{"type":"text","text":{"body":"Hi"},"context":{"message_id":"wamid.x"}}`)
	f(`{"type":"text","text":{"body":"Hi"},"context":{}}`, "context.message_id required")

	f(of("image", `{"id":"1","caption":%q}`, e(1024)))
	f(of("image", `{"library":"m1"}`))
	f(of("image", `{"link":"https://example.com/{{file}}"}`))
	f(of("image", `{"link":"{{url}}"}`))
	f(of("image", `{"link":"ftp://example.com/a.png","caption":%q}`, e(1025)), "image.link invalid_url", "image.caption too_long")
	f(of("video", `{}`), "video required")
	f(of("video", `{"id":"1","link":"https://example.com/a.mp4"}`), "video required")
	f(of("video", `{"id":7}`), "video.id required")
	f(of("video", `{"id":"1","filename":"a.mp4"}`), "video.filename unknown_member")
	f(of("audio", `{"id":"1","caption":"la","voice":true}`), "audio.caption unknown_member")
	f(of("sticker", `{"id":"1","caption":""}`), "sticker.caption unknown_member")
	f(of("document", `{"id":"1","filename":"a.pdf","caption":"it"}`))
	f(of("document", `{"id":"1","filename":7}`), "document.filename required")

	f(of("location", `{"latitude":51.5,"longitude":"-0.1","name":"Here"}`))
	f(of("location", `{"latitude":91,"longitude":"west"}`), "location.latitude invalid", "location.longitude invalid")
	f(of("contacts", `[{"name":{"formatted_name":"Ada"}}]`))
	f(of("contacts", `[{"name":{}},7]`), "contacts[0].name.formatted_name required", "contacts[1] invalid")
	f(of("contacts", `[]`), "contacts required")
}

func TestInteractiveMessagesAreHeldAgainstMetasLimits(t *testing.T) {
	f := func(interactive string, want ...string) {
		t.Helper()
		got := faults(`{"type":"interactive","interactive":` + interactive + `}`)
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "interactive.")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%.120s: wrong %q, want %q", interactive, got, want)
		}
	}
	button := func(id, title string) string {
		return fmt.Sprintf(`{"type":"reply","reply":{"id":%q,"title":%q}}`, id, title)
	}
	buttons := func(all ...string) string {
		return `{"type":"button","body":{"text":"Well?"},"action":{"buttons":[` + strings.Join(all, ",") + `]}}`
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	f(buttons(button("a", "Yes"), button("b", "No"), button(x(256), x(20))))
	f(buttons(button("a", "{{yes_as_it_is_said_there}}")))
	f(buttons(), "action.buttons required")
	f(buttons(button("a", "1"), button("a", "2"), button("c", "1"), button("d", "4")),
		"action.buttons too_many", "action.buttons[1].reply.id not_unique", "action.buttons[2].reply.title not_unique")
	f(buttons(button(x(257), x(21)), `{"type":"url"}`),
		"action.buttons[0].reply.id too_long", "action.buttons[0].reply.title too_long", "action.buttons[1].type unsupported",
		"action.buttons[1].reply required")
	f(`{"type":"button"}`, "action required", "body required")
	f(`{"type":"button","body":{"text":"`+x(1025)+`"},"footer":{"text":"`+x(61)+`"},"header":{"type":"text","text":"`+x(61)+`"},"action":{"buttons":[`+button("a", "b")+`]}}`,
		"body.text too_long", "footer.text too_long", "header.text too_long")
	f(`{"type":"button","body":{"text":"x"},"header":{"type":"image","image":{}},"action":{"buttons":[`+button("a", "b")+`]}}`, "header.image required")
	f(`{"type":"buton","body":{"text":"x"},"action":{}}`, "type unsupported")

	list := func(sections string) string {
		return `{"type":"list","body":{"text":"` + x(4096) + `"},"action":{"button":"Menu","sections":[` + sections + `]}}`
	}
	row := func(id string) string { return `{"id":"` + id + `","title":"T","description":"` + x(72) + `"}` }
	var ten, eleven []string
	for n := range 11 {
		if eleven = append(eleven, row(fmt.Sprint(n))); n < 10 {
			ten = append(ten, row(fmt.Sprint(n)))
		}
	}
	f(list(`{"rows":[` + strings.Join(ten, ",") + `]}`))
	f(list(`{"rows":[`+strings.Join(eleven, ",")+`]}`), "action.sections too_many")
	f(list(`{"rows":[`+row("a")+`]},{"title":"B","rows":[`+row("a")+`]}`), "action.sections[0].title required", "action.sections[1].rows[0].id not_unique")
	f(list(`{"rows":[{"id":"`+x(201)+`","title":"`+x(25)+`","description":"`+x(73)+`"}]}`),
		"action.sections[0].rows[0].id too_long", "action.sections[0].rows[0].title too_long", "action.sections[0].rows[0].description too_long")
	f(`{"type":"list","body":{"text":"x"},"header":{"type":"image","image":{"id":"1"}},"action":{"sections":[]}}`,
		"action.button required", "action.sections required", "header.type unsupported")

	f(`{"type":"cta_url","body":{"text":"x"},"action":{"name":"cta_url","parameters":{"display_text":"Go","url":"https://example.com/{{id}}"}}}`)
	f(`{"type":"cta_url","body":{"text":"x"},"action":{"name":"url","parameters":{"display_text":"`+x(21)+`","url":"javascript:alert(1)"}}}`,
		"action.name invalid", "action.parameters.display_text too_long", "action.parameters.url invalid_url")
	f(`{"type":"flow","body":{"text":"x"},"action":{"name":"flow","parameters":{"flow_id":"1"}}}`)
	f(`{"type":"call_permission_request","action":{"name":"call_permission_request"}}`)
	f(`{"type":"product","body":{"text":7}}`, "action required", "body.text required")
}

func TestTemplatesHaveAnyShapeThatMetaTakes(t *testing.T) {
	f := func(components string, want ...string) {
		t.Helper()
		got := faults(`{"type":"template","template":{"name":"offer","language":{"code":"en"},"components":` + components + `}}`)
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "template.components")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%.120s: wrong %q, want %q", components, got, want)
		}
	}
	f(`[{"type":"HEADER","parameters":[{"type":"image","image":{"library":"m1"}}]},
		{"type":"body","parameters":[{"type":"text","parameter_name":"first","text":"{{name}}"},
			{"type":"currency","currency":{"fallback_value":"$1","code":"USD","amount_1000":1000}},
			{"type":"date_time","date_time":{"fallback_value":"May"}}]},
		{"type":"button","sub_type":"quick_reply","index":"0","parameters":[{"type":"payload","payload":"STOP"}]},
		{"type":"button","sub_type":"url","index":1,"parameters":[{"type":"text","text":"{{code}}"}]},
		{"type":"button","sub_type":"copy_code","index":2,"parameters":[{"type":"coupon_code","coupon_code":"X"}]},
		{"type":"button","sub_type":"flow","index":3,"parameters":[{"type":"action","action":{"flow_token":"t"}}]}]`)
	f(`[{"type":"limited_time_offer","parameters":[{"type":"limited_time_offer","limited_time_offer":{"expiration_time_ms":1}}]},
		{"type":"carousel","cards":[{"card_index":0,"components":[{"type":"header","parameters":[{"type":"product","product":{}}]}]}]},
		{"type":"header","parameters":[{"type":"location","location":{"latitude":1}}]}, {"type":"call_permission_request"},
		{"type":"order_status","parameters":[{"type":"order_status","order_status":{}}]}, {"type":"something_new","parameters":[{"type":"x","x":7}]}]`)
	f(`null`)
	f(`[]`)
	f(`[{"type":"body","parameters":[]}]`)
	f(`[7,{},{"type":"button"}]`, "[0] invalid", "[1].type required", "[2].sub_type required", "[2].index invalid")
	f(`[{"type":"body","parameters":{}}]`, "[0].parameters required")
	f(`[{"type":"body","parameters":[{"text":"x"},{"type":"text"},{"type":"text","text":7,"parameter_name":7},{"type":"currency"},{"type":"image","image":{}},{"type":"action"}]}]`,
		"[0].parameters[0].type required", "[0].parameters[1].text required", "[0].parameters[2].parameter_name required",
		"[0].parameters[2].text required", "[0].parameters[3].currency required", "[0].parameters[4].image required", "[0].parameters[5].action required")
	f(`[{"type":"carousel","cards":[{"card_index":"x","components":[{"type":"body","parameters":[{"type":"text"}]}]}]}]`,
		"[0].cards[0].card_index invalid", "[0].cards[0].components[0].parameters[0].text required")
}

func TestAFilledMessageIsHeldAgainstTheLimitsToo(t *testing.T) {
	f := func(message string, params map[string]string, want string) {
		t.Helper()
		m, wrong := broadcast.ParseMessage(json.RawMessage(message))
		if wrong != nil {
			t.Fatal(wrong)
		}
		filled, got, err := m.For(params)
		if err != nil || got != want || (got == "") != (filled != nil) {
			t.Errorf("%.80s: %q, %v, want %q", message, got, err, want)
		}
	}
	name := func(n int) map[string]string { return map[string]string{"name": strings.Repeat("é", n)} }
	const text = `{"type":"text","text":{"body":"Hi {{name}}"}}`
	f(text, name(4093), "")
	f(text, name(4094), "Message Too Long: text.body")
	f(text, nil, "Missing Parameter: name")
	f(`{"type":"text","text":{"body":"{{name}}"}}`, name(0), "Invalid Message: text.body")
	f(`{"type":"image","image":{"library":"m1","caption":"{{name}}"}}`, name(0), "")
	f(`{"type":"image","image":{"link":"https://example.com/a","caption":"{{name}}"}}`, name(1025), "Message Too Long: image.caption")
	f(`{"type":"image","image":{"link":"{{name}}"}}`, name(3), "Invalid Message: image.link")
	f(`{"type":"interactive","interactive":{"type":"button","body":{"text":"?"},"action":{"buttons":[{"type":"reply","reply":{"id":"1","title":"{{name}}"}}]}}}`,
		name(21), "Message Too Long: interactive.action.buttons[0].reply.title")
	f(`{"type":"template","template":{"name":"t","language":{"code":"en"},"components":[{"type":"body","parameters":[{"type":"text","text":"{{name}}"}]}]}}`,
		name(0), "Invalid Message: template.components[0].parameters[0].text")
	f(text, map[string]string{"name": strings.Repeat("<", 12<<10)}, "Message Too Long: message")
}

// FuzzParseMessage looks at what must hold of every message that is taken: it is written and read again alike, and filling it with
// harmless parameters never fails otherwise than by a limit.
func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"text","text":{"body":"Hi {{name}}"}}`, `{"type":"image","image":{"link":"https://example.com/{{1}}","caption":"x"}}`,
		`{"type":"interactive","interactive":{"type":"list","body":{"text":"a"},"action":{"button":"b","sections":[{"rows":[{"id":"1","title":"{{t}}"}]}]}}}`,
		`{"type":"template","template":{"name":"t","language":{"code":"en"},"components":[{"type":"carousel","cards":[{"card_index":0}]}]}}`,
		`{"type":"location","location":{"latitude":"{{a}}","longitude":-0.5}}`, `{"type":"contacts","contacts":[{"name":{"formatted_name":"A"}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, wrong := broadcast.ParseMessage(raw)
		if len(wrong) > 0 {
			return
		}
		written, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, wrong := broadcast.ParseMessage(written)
		if len(wrong) > 0 || !slices.Equal(m.Names(), again.Names()) {
			t.Fatalf("%s is read again with %v", written, wrong)
		}
		params := map[string]string{}
		for _, name := range m.Names() {
			params[name] = "1"
		}
		if _, said, err := m.For(params); err != nil || strings.HasPrefix(said, broadcast.MissingParameter) {
			t.Fatalf("%s: %q, %v", written, said, err)
		}
	})
}
