package optout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// Said is a field of a request that may be missing. A field that is null is given with the zero value.
type Said[T any] struct {
	Given bool
	Value T
}

// IsZero says that the field was not given, so that omitzero leaves it out.
func (s Said[T]) IsZero() bool { return !s.Given }

// MarshalJSON writes the value.
func (s Said[T]) MarshalJSON() ([]byte, error) { return json.Marshal(s.Value) }

// UnmarshalJSON reads the value, null as zero.
func (s *Said[T]) UnmarshalJSON(raw []byte) error {
	s.Given = true
	return json.Unmarshal(raw, &s.Value)
}

// ListPatch is what a request says of a list, merged field by field (RFC 7396): what is not given stays, what is null or an
// empty text becomes as a new list has it, and a system list's words and texts as the program brings them. An empty array
// stays empty.
type ListPatch struct {
	Name          Said[string]                          `json:"name,omitzero"`
	Description   Said[string]                          `json:"description,omitzero"`
	Keywords      Said[[]string]                        `json:"keywords,omitzero"`
	OptinKeywords Said[[]string]                        `json:"optin_keywords,omitzero"`
	Confirmation  Said[string]                          `json:"confirmation,omitzero"`
	OptinMessage  Said[string]                          `json:"optin_message,omitzero"`
	WebhookURL    Said[string]                          `json:"webhook_url,omitzero"`
	FeedRemovals  Said[bool]                            `json:"feed_removals,omitzero"`
	Channels      Said[[]string]                        `json:"channels,omitzero"`
	Scope         Said[string]                          `json:"scope,omitzero"`
	Languages     Said[map[string]Said[*LanguagePatch]] `json:"languages,omitzero"` // a language that is null goes
}

// LanguagePatch is what a request says of a list's language.
type LanguagePatch struct {
	Keywords      Said[[]string] `json:"keywords,omitzero"`
	OptinKeywords Said[[]string] `json:"optin_keywords,omitzero"`
	Confirmation  Said[string]   `json:"confirmation,omitzero"`
	OptinMessage  Said[string]   `json:"optin_message,omitzero"`
}

// ParseListPatch reads a request's body. Every field that is unknown, can't be changed or is of a wrong type stands in
// wrong; err says that the body is no JSON object at all.
func ParseListPatch(body []byte) (p ListPatch, wrong []fault.Field, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	fields := map[string]json.RawMessage{}
	if err := d.Decode(&fields); err != nil || fields == nil {
		return p, nil, fault.New(fault.Invalid, "invalid_json", "The body is no JSON object of the documented shape.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return p, nil, fault.New(fault.Invalid, "invalid_json", "The body holds more than one JSON value.")
	}
	r := patchReader{into: map[string]reader{
		"name": one(&p.Name), "description": one(&p.Description), "confirmation": one(&p.Confirmation), "optin_message": one(&p.OptinMessage),
		"webhook_url": one(&p.WebhookURL), "scope": one(&p.Scope), "feed_removals": one(&p.FeedRemovals),
		"keywords": several(&p.Keywords), "optin_keywords": several(&p.OptinKeywords), "channels": several(&p.Channels),
	}}
	r.into["languages"] = func(path string, raw json.RawMessage) []fault.Field { return readLanguages(path, raw, &p.Languages) }
	return p, r.read("", fields), nil
}

// reader reads the field of a path, and says what is wrong with it.
type reader func(path string, raw json.RawMessage) []fault.Field

// patchReader reads an object's fields by their names.
type patchReader struct{ into map[string]reader }

func (r patchReader) read(path string, fields map[string]json.RawMessage) (wrong []fault.Field) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		read, known := r.into[name]
		switch {
		case known:
			wrong = append(wrong, read(path+name, fields[name])...)
		case path == "" && slices.Contains([]string{"id", "system"}, name):
			wrong = append(wrong, fault.Field{Field: name, Code: "read_only", Detail: "is given by the gateway and can't be changed"})
		default:
			wrong = append(wrong, fault.Field{Field: path + shortened(name), Code: "unknown_field", Detail: "is not known here"})
		}
	}
	return wrong
}

// shortened keeps what a caller made up from filling an answer.
func shortened(name string) string {
	if runes := []rune(name); len(runes) > maxKeyword {
		return string(runes[:maxKeyword]) + "…"
	}
	return name
}

func one[T any](into *Said[T]) reader {
	return func(path string, raw json.RawMessage) []fault.Field {
		if err := json.Unmarshal(raw, into); err != nil {
			return []fault.Field{wrongType(path, into.Value)}
		}
		return nil
	}
}

func several(into *Said[[]string]) reader {
	return func(path string, raw json.RawMessage) (wrong []fault.Field) {
		var elements []json.RawMessage
		if err := json.Unmarshal(raw, &elements); err != nil {
			return []fault.Field{wrongType(path, into.Value)}
		}
		into.Given, into.Value = true, nil
		if elements != nil {
			into.Value = make([]string, len(elements)) // [] is not null
		}
		for i, element := range elements {
			if err := json.Unmarshal(element, &into.Value[i]); err != nil {
				wrong = append(wrong, wrongType(fmt.Sprintf("%s[%d]", path, i), ""))
			}
		}
		return wrong
	}
}

func readLanguages(path string, raw json.RawMessage, into *Said[map[string]Said[*LanguagePatch]]) (wrong []fault.Field) {
	var languages map[string]json.RawMessage
	if err := json.Unmarshal(raw, &languages); err != nil {
		return []fault.Field{wrongType(path, into.Value)}
	}
	into.Given = true
	if languages == nil {
		return nil
	}
	into.Value = map[string]Said[*LanguagePatch]{}
	for _, code := range slices.Sorted(maps.Keys(languages)) {
		at := path + "." + shortened(code)
		if !isLanguage(code) {
			wrong = append(wrong, fault.Field{Field: at, Code: "unknown_language", Detail: "is no language code of ISO 639-1, as fr"})
			continue
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(languages[code], &fields); err != nil {
			wrong = append(wrong, wrongType(at, into.Value))
			continue
		}
		if fields == nil {
			into.Value[code] = Said[*LanguagePatch]{Given: true}
			continue
		}
		l := &LanguagePatch{}
		into.Value[code] = Said[*LanguagePatch]{true, l}
		wrong = append(wrong, patchReader{map[string]reader{
			"keywords": several(&l.Keywords), "optin_keywords": several(&l.OptinKeywords),
			"confirmation": one(&l.Confirmation), "optin_message": one(&l.OptinMessage),
		}}.read(at+".", fields)...)
	}
	return wrong
}

func wrongType(path string, wanted any) fault.Field {
	detail := "is an object"
	switch wanted.(type) {
	case string:
		detail = "is a text"
	case bool:
		detail = "is true or false"
	case []string:
		detail = "is an array of texts"
	}
	return fault.Field{Field: path, Code: "wrong_type", Detail: detail}
}

// Apply gives the list as the patch wants it; made is what its fields are when they are emptied. What is said of a field
// counts without white space around it, save in texts that are sent.
func (p ListPatch) Apply(l, made List) List {
	text := func(into *string, said Said[string], empty string, trim bool) {
		if !said.Given {
			return
		}
		if *into = said.Value; trim {
			*into = strings.TrimSpace(*into)
		}
		if *into == "" {
			*into = empty
		}
	}
	text(&l.Name, p.Name, "", true)
	text(&l.Description, p.Description, "", true)
	text(&l.Confirmation, p.Confirmation, made.Confirmation, false)
	text(&l.OptinMessage, p.OptinMessage, made.OptinMessage, false)
	text(&l.WebhookURL, p.WebhookURL, "", true)
	text(&l.Scope, p.Scope, ScopeChannel, false)
	some(&l.Keywords, p.Keywords, made.Keywords)
	some(&l.OptinKeywords, p.OptinKeywords, made.OptinKeywords)
	some(&l.Channels, p.Channels, []string{chat.AnyChannel})
	if p.FeedRemovals.Given {
		l.FeedRemovals = p.FeedRemovals.Value
	}
	if p.Languages.Given {
		l.Languages = p.languages(l.Languages, made.Languages)
	}
	return l
}

// some changes an array of texts: null makes it what a new list has, [] empties it. A text that stands there twice stands there once.
func some(into *[]string, said Said[[]string], empty []string) {
	if !said.Given {
		return
	}
	if said.Value == nil {
		*into = slices.Clone(empty)
		return
	}
	*into = nil
	for _, text := range said.Value {
		if text = strings.TrimSpace(text); text == "" || !slices.Contains(*into, text) {
			*into = append(*into, text)
		}
	}
}

// languages merges language by language; one with nothing in it goes.
func (p ListPatch) languages(old, made map[string]Language) map[string]Language {
	if p.Languages.Value == nil {
		return maps.Clone(made)
	}
	merged := maps.Clone(old)
	if merged == nil {
		merged = map[string]Language{}
	}
	for code, said := range p.Languages.Value {
		l, m := merged[code], made[code]
		if said.Value == nil {
			delete(merged, code)
			continue
		}
		some(&l.Keywords, said.Value.Keywords, m.Keywords)
		some(&l.OptinKeywords, said.Value.OptinKeywords, m.OptinKeywords)
		if said.Value.Confirmation.Given {
			l.Confirmation = said.Value.Confirmation.Value
		}
		if said.Value.OptinMessage.Given {
			l.OptinMessage = said.Value.OptinMessage.Value
		}
		if merged[code] = l; len(l.Keywords)+len(l.OptinKeywords) == 0 && l.Confirmation+l.OptinMessage == "" {
			delete(merged, code)
		}
	}
	return merged
}
