package segment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"optgate/pipeline/contact"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// Limits of a segment.
const (
	MaxName       = 50 // code points
	MaxConditions = 20
	MaxWithin     = 24 // hours: whoever wrote earlier isn't known any more
	MaxSegments   = 100
)

// Fields is what a request says of a segment: what isn't given stays.
type Fields struct {
	Name       optout.Said[string]      `json:"name,omitzero"`
	Match      optout.Said[Match]       `json:"match,omitzero"`
	Conditions optout.Said[[]Condition] `json:"conditions,omitzero"`
}

// Apply gives the segment as the fields want it.
func (f Fields) Apply(s Segment) Segment {
	if f.Name.Given {
		s.Name = f.Name.Value
	}
	if f.Match.Given {
		s.Match = f.Match.Value
	}
	if f.Conditions.Given {
		s.Conditions = f.Conditions.Value
	}
	if s.Match == "" {
		s.Match = All
	}
	return s
}

// Parse reads a request's body. Every field that is unknown or of a wrong type stands in wrong; err says that the body is no
// JSON object at all.
func Parse(body []byte) (f Fields, wrong []fault.Field, err error) {
	members, err := object(body)
	if err != nil {
		return f, nil, err
	}
	c := check{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		raw := members[name]
		switch name {
		case "name":
			c.read(name, raw, &f.Name)
		case "match":
			c.read(name, raw, &f.Match)
		case "conditions":
			f.Conditions.Given = true
			f.Conditions.Value = c.conditions(raw)
		default:
			c.say(shown(name), "unknown_field", "is not known here")
		}
	}
	return f, c.wrong, nil
}

// conditions reads the list of conditions, each by itself.
func (c *check) conditions(raw json.RawMessage) []Condition {
	var all []json.RawMessage
	if !c.read("conditions", raw, &all) {
		return nil
	}
	if len(all) > MaxConditions {
		c.say("conditions", "too_many", fmt.Sprintf("has at most %d", MaxConditions))
		return nil
	}
	read := make([]Condition, len(all))
	for i, one := range all {
		read[i] = c.condition(fmt.Sprintf("conditions[%d]", i), one)
	}
	return read
}

func (c *check) condition(at string, raw json.RawMessage) (read Condition) {
	members, err := object(raw)
	if err != nil {
		c.say(at, "wrong_type", "is an object with one of tag, category, attribute, list and within")
		return read
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		into := map[string]any{
			"tag": &read.Tag, "category": &read.Category, "attribute": &read.Attribute, "list": &read.List, "within": &read.Within,
		}[name]
		if into == nil {
			c.say(at+"."+shown(name), "unknown_field", "is not known here")
			continue
		}
		c.read(at+"."+name, members[name], into)
	}
	if len(members) != 1 {
		c.say(at, "one_of", "has exactly one of tag, category, attribute, list and within")
	}
	return read
}

// read reads one member into what it is to be. An unknown member inside of it is at fault too.
func (c *check) read(at string, raw json.RawMessage, into any) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		c.say(at, "wrong_type", "is not of the documented type")
		return false
	}
	return true
}

func object(body []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	members := map[string]json.RawMessage{}
	if err := d.Decode(&members); err != nil || members == nil {
		return nil, fault.New(fault.Invalid, "invalid_json", "The body is no JSON object of the documented shape.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "invalid_json", "The body holds more than one JSON value.")
	}
	return members, nil
}

// shown bounds what an answer repeats of a request.
func shown(name string) string {
	if !contact.Word(name) {
		return "?"
	}
	return name
}

// Wrong names every field of a segment that can't be as it is. Which lists there are is for the door to know.
func (s Segment) Wrong() []fault.Field {
	c := check{}
	switch n := utf8.RuneCountInString(s.Name); {
	case !strings.ContainsFunc(s.Name, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }):
		c.say("name", "required", "names the segment")
	case n > MaxName:
		c.say("name", "too_long", fmt.Sprintf("has at most %d characters, not %d", MaxName, n))
	case strings.ContainsFunc(s.Name, unicode.IsControl):
		c.say("name", "control_character", "holds a control character")
	}
	return append(c.wrong, s.WrongChoice()...)
}

// WrongChoice is Wrong of a segment that needs no name, since nobody saves it.
func (s Segment) WrongChoice() []fault.Field {
	c := check{}
	if s.Match != All && s.Match != Any {
		c.say("match", "unknown_match", "is all or any")
	}
	if n := len(s.Conditions); n == 0 || n > MaxConditions {
		c.say("conditions", "out_of_range", fmt.Sprintf("has 1 to %d", MaxConditions))
		return c.wrong
	}
	for i, one := range s.Conditions {
		c.value(fmt.Sprintf("conditions[%d]", i), one)
	}
	return c.wrong
}

func (c *check) value(at string, one Condition) {
	word := func(name, text string) {
		if text != "" && !contact.Word(text) {
			c.say(at+"."+name, "invalid_name", fmt.Sprintf("is 1 to %d visible characters without a space at its ends", contact.MaxWord))
		}
	}
	set := 0
	for _, is := range []bool{one.Tag != "", one.Category != "", one.Attribute != nil, one.List != "", one.Within != 0} {
		if is {
			set++
		}
	}
	if set != 1 {
		c.say(at, "one_of", "has exactly one of tag, category, attribute, list and within, and says which")
	}
	word("tag", one.Tag)
	word("category", one.Category)
	if a := one.Attribute; a != nil {
		if !contact.Word(a.Name) {
			c.say(at+".attribute.name", "invalid_name", "names an attribute")
		}
		if utf8.RuneCountInString(a.Value) > contact.MaxValue {
			c.say(at+".attribute.value", "too_long", fmt.Sprintf("has at most %d characters", contact.MaxValue))
		}
	}
	if one.Within < 0 || one.Within > MaxWithin {
		c.say(at+".within", "out_of_range", fmt.Sprintf("is 1 to %d hours", MaxWithin))
	}
}

// check collects what is wrong. Of one field only the first fault is told.
type check struct{ wrong []fault.Field }

func (c *check) say(field, code, detail string) {
	if !slices.ContainsFunc(c.wrong, func(f fault.Field) bool { return f.Field == field }) {
		c.wrong = append(c.wrong, fault.Field{Field: field, Code: code, Detail: detail})
	}
}
