package broadcast_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"optgate/pipeline/broadcast"
)

func TestMessagesThatCanNotBeSentNameTheirFields(t *testing.T) {
	f := func(message string, fields ...string) {
		t.Helper()
		_, wrong := broadcast.ParseMessage(json.RawMessage(message))
		var got []string
		for _, w := range wrong {
			got = append(got, w.Field)
		}
		if !slices.Equal(got, fields) {
			t.Errorf("%.80s: wrong %q, want %q", message, got, fields)
		}
	}
	f(`{"type":"text","text":{"body":"Hi {{name}}","preview_url":true}}`)
	f(`{"type":"template","template":{"name":"offer","language":{"code":"en"},"components":[]}}`)
	f(`"Hi"`, "message")
	f(`null`, "message")
	f(`{`, "message")
	f(`{}`, "message.type")
	f(`{"type":"{{kind}}"}`, "message.type")
	f(`{"type":"reaction","reaction":{"emoji":"x"}}`, "message.type")
	f(`{"type":"text"}`, "message.text")
	f(`{"type":"text","text":{"body":""}}`, "message.text.body")
	f(`{"type":"text","text":{"body":["Hi"]}}`, "message.text.body")
	f(`{"type":"text","text":{"body":"`+strings.Repeat("é", 4097)+`"}}`, "message.text.body")
	f(`{"type":"template","template":{"components":{}}}`,
		"message.template.name", "message.template.language.code", "message.template.components")
	// Whom a message goes to is said by the gateway alone, after the gate was asked about that person.
	f(`{"type":"text","text":{"body":"Hi"},"to":"447700900199","recipient":"GB.1"}`, "message.recipient", "message.to")
	f(`{"type":"text","text":{"body":"Hi"},"template":{}}`, "message.template")
	f(`{"type":"text","text":{"body":"Hi","x":"`+strings.Repeat("x", 64<<10)+`"}}`, "message")
	f(`{"type":"text","text":{"body":"Hi","x":"`+strings.Repeat("<", 16<<10)+`"}}`, "message") // six bytes each once written
	f(`{"type":"text","text":{"body":"Hi","x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}}`, "message")
}

func TestParametersFillEveryStringOfAMessage(t *testing.T) {
	f := func(message string, params map[string]string, want string) {
		t.Helper()
		m, wrong := broadcast.ParseMessage(json.RawMessage(message))
		if wrong != nil {
			t.Fatalf("%s: %v", message, wrong)
		}
		if missing := m.Missing(params); missing != "" {
			if missing != want {
				t.Errorf("%s: missing %q, want %q", message, missing, want)
			}
			return
		}
		got, err := m.Fill(params)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v, want %s", message, got, err, want)
		}
	}
	f(`{"type":"text","text":{"body":"Hi {{name}}, {{ name }}!"}}`, map[string]string{"name": "Ada"},
		`{"text":{"body":"Hi Ada, Ada!"},"type":"text"}`)
	f(`{"type":"text","text":{"body":"{{a}}{{b}}"}}`, map[string]string{"a": "{{b}}", "b": `"x"`},
		`{"text":{"body":"{{b}}\"x\""},"type":"text"}`)
	f(`{"type":"text","text":{"body":"{{größe}} {{1}}"}}`, map[string]string{"größe": "XL", "1": "one"},
		`{"text":{"body":"XL one"},"type":"text"}`)
	f(`{"type":"text","text":{"body":"{{}} {name} {{not a name}}"}}`, nil,
		`{"text":{"body":"{{}} {name} {{not a name}}"},"type":"text"}`)
	f(`{"type":"text","text":{"body":"{{name}}","n":12345678901234567890}}`, map[string]string{"name": ""},
		`{"text":{"body":"","n":12345678901234567890},"type":"text"}`)
	f(`{"type":"template","template":{"name":"t","language":{"code":"en"},"components":[{"type":"body","parameters":[{"type":"text","text":"{{z}} {{a}}"}]}]}}`,
		map[string]string{"z": "1"}, "a")
	f(`{"type":"template","template":{"name":"t","language":{"code":"en"},"components":[{"type":"body","parameters":[{"type":"text","text":"{{z}}"}]}]}}`,
		map[string]string{"z": "1"},
		`{"template":{"components":[{"parameters":[{"text":"1","type":"text"}],"type":"body"}],"language":{"code":"en"},"name":"t"},"type":"template"}`)
}
