package contact

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// Limits of a contact. Texts are counted in Unicode code points.
const (
	MaxName       = 200
	MaxWord       = 50 // of a tag, a category or an attribute's name
	MaxTags       = 100
	MaxCategories = 20
	MaxAttributes = 100
	MaxValue      = 1000 // of an attribute
)

// Fields is what a request says of a contact: what isn't given stays. Every part is absolute, so that saying it again
// changes nothing.
type Fields struct {
	Name             optout.Said[string]     `json:"name,omitzero"`
	Email            optout.Said[optout.Ref] `json:"email,omitzero"`   // a zero Ref takes it away
	UserID           optout.Said[optout.Ref] `json:"user_id,omitzero"` // a BSUID; a zero Ref takes it away
	Tags             optout.Said[[]string]   `json:"tags,omitzero"`    // all of them; before those to add and to remove
	AddTags          []string                `json:"add_tags,omitempty"`
	RemoveTags       []string                `json:"remove_tags,omitempty"`
	Categories       optout.Said[[]string]   `json:"categories,omitzero"`
	AddCategories    []string                `json:"add_categories,omitempty"`
	RemoveCategories []string                `json:"remove_categories,omitempty"`
	Attributes       map[string]*string      `json:"attributes,omitempty"` // nil takes one away; others stay
}

// Wrong names every field that can't be as it is. How much a contact has in all, the fold knows.
func (f *Fields) Wrong() []fault.Field {
	c := check{}
	c.text("name", f.Name.Value, MaxName, false)
	c.words("tags", f.Tags.Value, MaxTags)
	c.words("add_tags", f.AddTags, MaxTags)
	c.words("remove_tags", f.RemoveTags, MaxTags)
	c.words("categories", f.Categories.Value, MaxCategories)
	c.words("add_categories", f.AddCategories, MaxCategories)
	c.words("remove_categories", f.RemoveCategories, MaxCategories)
	for _, name := range slices.Sorted(maps.Keys(f.Attributes)) {
		at := "attributes." + name
		if !Word(name) {
			at = "attributes" // what can't be a name is not repeated
			c.say(at, "invalid_name", fmt.Sprintf("holds a name that is not 1 to %d visible characters without a space at its ends", MaxWord))
		}
		if value := f.Attributes[name]; value != nil {
			c.text(at, *value, MaxValue, true)
		}
	}
	return c.wrong
}

// Word says whether a text can be a tag, a category or an attribute's name: one to MaxWord visible characters.
func Word(text string) bool {
	return text != "" && utf8.ValidString(text) && utf8.RuneCountInString(text) <= MaxWord && strings.TrimSpace(text) == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) })
}

// check collects what is wrong.
type check struct{ wrong []fault.Field }

func (c *check) say(field, code, detail string) {
	c.wrong = append(c.wrong, fault.Field{Field: field, Code: code, Detail: detail})
}

func (c *check) text(field, text string, most int, lines bool) {
	if n := utf8.RuneCountInString(text); n > most {
		c.say(field, "too_long", fmt.Sprintf("has at most %d characters, not %d", most, n))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && (!lines || r != '\n' && r != '\r' && r != '\t') }) {
		c.say(field, "control_character", "holds a control character")
	}
}

func (c *check) words(field string, words []string, most int) {
	if len(words) > most {
		c.say(field, "too_many", fmt.Sprintf("has at most %d", most))
		return
	}
	for i, word := range words {
		if !Word(word) {
			c.say(fmt.Sprintf("%s[%d]", field, i), "invalid_name", fmt.Sprintf("is 1 to %d visible characters without a space at its ends", MaxWord))
		}
	}
}

// apply gives the contact as the fields want it, and the name of a limit that it is over; "" where it keeps them all.
func (f *Fields) apply(c Contact) (after Contact, over string) {
	if f.Name.Given {
		c.Name = f.Name.Value
	}
	if f.Email.Given {
		c.Who = other(c.Who, chat.KindEmail, f.Email.Value)
	}
	if f.UserID.Given {
		c.Who = other(c.Who, chat.KindBSUID, f.UserID.Value)
	}
	c.Tags = merged(c.Tags, f.Tags, f.AddTags, f.RemoveTags)
	c.Categories = merged(c.Categories, f.Categories, f.AddCategories, f.RemoveCategories)
	c.Attributes = maps.Clone(c.Attributes)
	for name, value := range f.Attributes {
		if value == nil {
			delete(c.Attributes, name)
			continue
		}
		if c.Attributes == nil {
			c.Attributes = map[string]string{}
		}
		c.Attributes[name] = *value
	}
	switch {
	case len(c.Tags) > MaxTags:
		over = fmt.Sprintf("%d tags", MaxTags)
	case len(c.Categories) > MaxCategories:
		over = fmt.Sprintf("%d categories", MaxCategories)
	case len(c.Attributes) > MaxAttributes:
		over = fmt.Sprintf("%d attributes", MaxAttributes)
	}
	return c, over
}

// other gives the identifiers with another one of a kind in the place of what there was of it, the contact's own aside.
func other(who []optout.Ref, kind string, ref optout.Ref) []optout.Ref {
	kept := slices.Clone(who[:1])
	for _, one := range who[1:] {
		if one.ID.Kind() != kind {
			kept = append(kept, one)
		}
	}
	if ref.ID != "" && ref.P != who[0].P {
		kept = append(kept, ref)
	}
	slices.SortFunc(kept[1:], func(a, b optout.Ref) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return kept
}

// merged gives the words as they are to be: sorted, each once.
func merged(now []string, all optout.Said[[]string], add, remove []string) []string {
	if all.Given {
		now = all.Value
	}
	now = append(slices.Clone(now), add...)
	now = slices.DeleteFunc(now, func(word string) bool { return slices.Contains(remove, word) })
	slices.Sort(now)
	if now = slices.Compact(now); len(now) == 0 {
		return nil
	}
	return now
}
