package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/fault"
)

// sent is a message that names a template.
type sent struct {
	name, language string
	components     []any
}

// read gives what a message says of its template; ok is false for a message of another type.
func read(message json.RawMessage) (s sent, ok bool) {
	d := json.NewDecoder(bytes.NewReader(message))
	d.UseNumber()
	var tree map[string]any
	if d.Decode(&tree) != nil || tree["type"] != "template" {
		return s, false
	}
	of, _ := tree["template"].(map[string]any)
	language, _ := of["language"].(map[string]any)
	s.name, s.language = text(of, "name"), text(language, "code")
	s.components, _ = of["components"].([]any)
	return s, s.name != "" && s.language != ""
}

func text(of map[string]any, member string) string {
	value, _ := of[member].(string)
	return value
}

// Check says what is wrong with a message that names this template, as the Cloud API takes it: whether it may be sent at all,
// and whether it fills the template's variables and nothing else. Parameters that hold {{…}} of recipients' own count as
// given. A message of another type has nothing wrong with it here.
func (t Template) Check(message json.RawMessage) []fault.Field {
	s, ok := read(message)
	if !ok {
		return nil
	}
	switch {
	case !t.There() && len(t.Languages) > 0:
		return []fault.Field{{Field: "message.template.language.code", Code: "unknown_language", Detail: fmt.Sprintf(
			"is none in which Meta has this template: there is %s", strings.Join(t.Languages, ", "))}}
	case !t.There():
		return []fault.Field{{Field: "message.template.name", Code: "unknown_template", Detail: "is no template of the channel's business account at Meta; GET /v1/templates lists those there are"}}
	case t.Status != Approved:
		return []fault.Field{{Field: "message.template.name", Code: "not_approved", Detail: fmt.Sprintf(
			"stands as %s at Meta; only approved templates can be sent", t.Status)}}
	}
	c := checker{template: t}
	c.components("message.template.components", t.Components, s.components)
	return c.wrong
}

// checker gathers what is wrong.
type checker struct {
	template Template
	wrong    []fault.Field
}

// most bounds what is said of one message.
const most = 50

func (c *checker) sayf(field, code, format string, args ...any) {
	if len(c.wrong) < most {
		c.wrong = append(c.wrong, fault.Field{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
}

// components holds what was sent against what a template, or a card of one, shows.
func (c *checker) components(field string, shown []Component, given []any) {
	left := c.template.needs(slices.DeleteFunc(slices.Clone(shown), func(one Component) bool { return one.Type == "CAROUSEL" }), nil)
	free := unknown(shown)
	carousel := slices.IndexFunc(shown, func(one Component) bool { return one.Type == "CAROUSEL" })
	cards, seen := false, map[string]bool{}
	for i, one := range given {
		at := field + "[" + strconv.Itoa(i) + "]"
		component, ok := one.(map[string]any)
		if !ok {
			c.sayf(at, "wrong_type", "must be an object")
			continue
		}
		kind := strings.ToLower(text(component, "type"))
		index, name := -1, kind
		if kind == "button" {
			if index, ok = indexOf(component["index"]); !ok {
				c.sayf(at+".index", "required", "must be the button's number, from 0")
				continue
			}
			name += strconv.Itoa(index)
		}
		switch {
		case seen[name]:
			c.sayf(at, "repeated", "is given twice")
		case kind == "carousel" && carousel >= 0:
			cards = true
			c.carousel(at, shown[carousel].Cards, component)
		case slices.Contains(free, kind):
		default:
			left = c.component(at, kind, index, shown, left, component)
		}
		seen[name] = true
	}
	for _, need := range left {
		if !need.Optional {
			c.sayf(field, "missing_parameter", "lack %s", need.words())
		}
	}
	if carousel >= 0 && !cards {
		c.sayf(field, "missing_parameter", "lack the carousel with its %d cards", len(shown[carousel].Cards))
	}
}

// familiar are the parts of templates whose needs are known.
var familiar = []string{"HEADER", "BODY", "FOOTER", "BUTTONS", "CAROUSEL", "LIMITED_TIME_OFFER"}

// unknown gives the parts of a template of which anything may be said, since nobody here knows what they need.
func unknown(shown []Component) (kinds []string) {
	for _, one := range shown {
		if !slices.Contains(familiar, one.Type) {
			kinds = append(kinds, strings.ToLower(one.Type))
		}
	}
	return kinds
}

// component checks one part, and gives what is needed still.
func (c *checker) component(at, kind string, index int, shown []Component, left []Need, given map[string]any) []Need {
	n := slices.IndexFunc(left, func(need Need) bool {
		return need.Where == kind && (need.Index == nil || *need.Index == index)
	})
	parameters, isList := given["parameters"].([]any)
	if n < 0 {
		switch {
		case kind == "button" && index >= shownButtons(shown):
			c.sayf(at+".index", "out_of_range", "the template has %d buttons", shownButtons(shown))
		case kind == "button":
			c.sayf(at, "no_parameters", "the template's button %d takes no parameters: leave it out", index)
		case len(parameters) > 0 || !isShown(shown, kind):
			c.sayf(at, "no_parameters", "the template's %s takes no parameters: leave it out", words(kind))
		}
		return left
	}
	need := left[n]
	if sub := strings.ToLower(text(given, "sub_type")); need.SubType != "" && sub != need.SubType {
		c.sayf(at+".sub_type", "wrong_type", "must be %s, as the template's button %d is", need.SubType, index)
	} else if !isList && given["parameters"] != nil {
		c.sayf(at+".parameters", "wrong_type", "must be a list")
	} else {
		c.parameters(at+".parameters", need, parameters)
	}
	return slices.Delete(left, n, n+1)
}

func (c *checker) carousel(at string, shown []Card, given map[string]any) {
	cards, _ := given["cards"].([]any)
	if len(cards) != len(shown) {
		c.sayf(at+".cards", "wrong_count", "are %d, and the template has %d", len(cards), len(shown))
		return
	}
	for i, one := range cards {
		card, _ := one.(map[string]any)
		field := at + ".cards[" + strconv.Itoa(i) + "]"
		n, ok := indexOf(card["card_index"])
		if !ok {
			n = i
		}
		if n >= len(shown) {
			c.sayf(field+".card_index", "out_of_range", "the template has %d cards", len(shown))
			continue
		}
		components, _ := card["components"].([]any)
		c.components(field+".components", shown[n].Components, components)
	}
}

// indexOf reads a number that Meta takes as text too.
func indexOf(value any) (int, bool) {
	written, ok := value.(string)
	if n, isNumber := value.(json.Number); isNumber {
		written, ok = n.String(), true
	}
	n, err := strconv.Atoi(written)
	return n, ok && err == nil && n >= 0
}

func shownButtons(shown []Component) (n int) {
	for _, one := range shown {
		n += len(one.Buttons)
	}
	return n
}

func isShown(shown []Component, kind string) bool {
	return slices.ContainsFunc(shown, func(one Component) bool { return strings.EqualFold(one.Type, kind) })
}

// words names a kind of part that may be anything somebody wrote.
func words(kind string) string {
	if slices.ContainsFunc(familiar, func(one string) bool { return strings.EqualFold(one, kind) }) {
		return kind
	}
	return "component of this type"
}
