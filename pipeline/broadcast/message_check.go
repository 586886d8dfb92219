package broadcast

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"optgate/pipeline/fault"
)

// inspection collects what is wrong with a message. Its methods look at one member of an object; field is the object's own path.
// Characters are Unicode code points. Members that it doesn't know are Meta's to judge.
type inspection struct {
	filled bool // no placeholder stands for anything any more
	wrong  []fault.Field
}

// kinds gives what is looked at in the object that a message's type names.
func kinds() map[string]func(i *inspection, tree map[string]any) {
	return map[string]func(*inspection, map[string]any){
		"text": (*inspection).bodyText, "template": (*inspection).template, "interactive": (*inspection).interactive,
		"image": mediaOf("image"), "video": mediaOf("video"), "audio": mediaOf("audio"), "document": mediaOf("document"), "sticker": mediaOf("sticker"),
		"location": (*inspection).location, "contacts": (*inspection).contacts,
	}
}

const (
	codeTooLong = "too_long"
	maxBody     = 4096 // characters of a text, by Meta
)

// inspect tells of every field at fault. Members beside the known ones are refused: the gateway itself says to whom a message
// goes, and no other member may say it again.
func inspect(tree map[string]any, filled bool) []fault.Field {
	i := &inspection{filled: filled}
	kind, _ := tree["type"].(string)
	look, known := kinds()[kind]
	if !known {
		i.say("message.type", "unsupported", "must be one of "+strings.Join(slices.Sorted(maps.Keys(kinds())), ", "))
		return i.wrong
	}
	for _, member := range slices.Sorted(maps.Keys(tree)) {
		if member != "type" && member != kind && member != "context" {
			i.say("message."+member, "unknown_member", "is no part of a message of type "+kind)
		}
	}
	if _, there := tree["context"]; there {
		if context, ok := i.object(tree, "message", "context"); ok {
			i.text(context, "message.context", "message_id", 0)
		}
	}
	look(i, tree)
	return i.wrong
}

func (i *inspection) bodyText(tree map[string]any) {
	text, ok := i.object(tree, "message", "text")
	if !ok {
		return
	}
	i.text(text, "message.text", "body", maxBody)
	if shown, there := text["preview_url"]; there {
		if _, ok := shown.(bool); !ok {
			i.say("message.text.preview_url", "invalid", "must be true or false")
		}
	}
}

func (i *inspection) say(field, code, detail string) {
	i.wrong = append(i.wrong, fault.Field{Field: field, Code: code, Detail: detail})
}

// object reads an object that must be there.
func (i *inspection) object(parent map[string]any, field, name string) (map[string]any, bool) {
	inner, ok := parent[name].(map[string]any)
	if !ok {
		i.say(field+"."+name, "required", "must be an object")
	}
	return inner, ok
}

// list reads a list of objects that must be there, of at least one and, where most isn't 0, so many at most. each looks at one.
func (i *inspection) list(parent map[string]any, field, name string, most int, each func(one map[string]any, field string)) {
	field += "." + name
	all, ok := parent[name].([]any)
	switch {
	case !ok || len(all) == 0:
		i.say(field, "required", "must be a list of at least one")
		return
	case most > 0 && len(all) > most:
		i.say(field, "too_many", fmt.Sprintf("at most %d", most))
	}
	for n, raw := range all {
		at := fmt.Sprintf("%s[%d]", field, n)
		if one, ok := raw.(map[string]any); ok {
			each(one, at)
		} else {
			i.say(at, "invalid", "must be an object")
		}
	}
}

// text reads a text that must be there; of so many characters at most where most isn't 0. Placeholders count for nothing until they
// are filled.
func (i *inspection) text(parent map[string]any, field, name string, most int) (text string) {
	field += "." + name
	text, ok := parent[name].(string)
	fixed := text
	if !i.filled {
		fixed = placeholder.ReplaceAllString(text, "")
	}
	switch {
	case !ok || text == "":
		i.say(field, "required", "must be a text")
	case most > 0 && utf8.RuneCountInString(fixed) > most:
		i.say(field, codeTooLong, fmt.Sprintf("at most %d characters", most))
	}
	return text
}

// option is text for a member that may be missing, or empty.
func (i *inspection) option(parent map[string]any, field, name string, most int) {
	if value := parent[name]; value != nil && value != "" {
		i.text(parent, field, name, most)
	}
}

// link reads a URL of the web that must be there.
func (i *inspection) link(parent map[string]any, field, name string) {
	text := i.text(parent, field, name, 0)
	if text == "" || !i.filled && placeholder.MatchString(text) {
		return
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		i.say(field+"."+name, "invalid_url", "must begin with https:// or http:// and name a host")
	}
}

// number reads a number, or a text that is one, between two bounds. It must be there.
func (i *inspection) number(parent map[string]any, field, name string, least, most float64) {
	var number json.Number
	switch v := parent[name].(type) {
	case json.Number:
		number = v
	case string:
		if !i.filled && placeholder.MatchString(v) {
			return
		}
		number = json.Number(strings.TrimSpace(v))
	}
	if value, err := number.Float64(); err != nil || !(value >= least && value <= most) {
		i.say(field+"."+name, "invalid", fmt.Sprintf("must be a number from %v to %v", least, most))
	}
}
