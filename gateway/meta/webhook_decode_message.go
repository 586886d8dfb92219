package meta

import (
	"slices"
	"strings"

	"optgate/pipeline/chat"
)

// decodeMessage understands an element of messages, also of standby's.
func (f found) decodeMessage(in *chat.Inbound, m object) error {
	in.Kind = chat.KindMessage
	in.MessageID = m.text("id")
	in.Type = messageType(m)
	if in.Type == "system" && identityChange(m) {
		return decodeIdentity(in, m, f.contacts)
	}
	w := sides(m, "from")
	w.complete(f.contacts)
	if w.empty() {
		return unreadable("message names no sender")
	}
	in.Who, in.Given = w.list()
	content := m
	if in.Type == "edit" {
		content = m.object("edit").object("message")
	}
	var ok bool
	if in.Texts, ok = textsOf(messageType(content), content); !ok {
		return unreadable("message holds no text, or in a form that is not known")
	}
	fresh := m.text("group_id") == "" && m.object("history_context") == nil && !silent(in.Field) && !f.ownNumber(m.text("from"))
	in.Acts = fresh && typed(in.Type) && !forwarded(m) && !forwarded(content)
	in.Opens = fresh && (typed(in.Type) || in.Type == "unsupported")
	return nil
}

// messageType gives a message's type, or the one that its members show where it names none.
func messageType(m object) string {
	if t := m.text("type"); t != "" {
		return t
	}
	for _, t := range []string{"text", "button", "interactive", "edit", "system", "image", "video", "audio", "document"} {
		if m.get(t) != nil {
			return t
		}
	}
	return ""
}

// textsOf gives all that a person typed or pressed in a message's content. It is not ok for a text message without text, and
// where a text's place holds something else, in which there may be one.
func textsOf(kind string, m object) (texts []string, ok bool) {
	body := m.object(kind)
	switch kind {
	case "text":
		raw := body.get("body")
		if body == nil {
			raw = m.get("text")
		}
		if len(raw) == 0 || raw[0] != '"' {
			return nil, false
		}
		return distinct([]string{unquote(raw)}), true
	case "button":
		texts, ok = pressed(m.get(kind), "text", "payload")
	case "interactive":
		ok = body != nil || isNull(m.get(kind))
		for _, reply := range []string{"button_reply", "list_reply"} {
			said, known := pressed(body.get(reply), "title", "id")
			texts, ok = append(texts, said...), ok && known
		}
	default:
		texts = []string{body.text("caption"), body.text("body"), m.object("text").text("body")} // also of types Meta adds later
		ok = !garbled(body.get("caption"))
	}
	return distinct(texts), ok
}

// pressed gives members of an object that are texts; it is not ok where the object or one of them is something else.
func pressed(raw []byte, names ...string) (texts []string, ok bool) {
	o := members(raw)
	ok = o != nil || isNull(raw)
	for _, name := range names {
		texts, ok = append(texts, o.text(name)), ok && !garbled(o.get(name))
	}
	return texts, ok
}

// garbled says whether an object or an array stands where a text belongs.
func garbled(value []byte) bool { return len(value) > 0 && (value[0] == '{' || value[0] == '[') }

// distinct leaves out empty and repeated texts.
func distinct(texts []string) []string {
	var kept []string
	for _, t := range texts {
		if t != "" && !slices.Contains(kept, t) {
			kept = append(kept, t)
		}
	}
	return kept
}

// typed says whether messages of this type are what a person said, rather than a sign or Meta's own report.
func typed(kind string) bool {
	switch kind {
	case "reaction", "system", "revoke", "unsupported", "request_welcome", "media_placeholder":
		return false
	}
	return true
}

// forwarded says whether a message was forwarded: its words are somebody else's.
func forwarded(m object) bool {
	context := m.object("context")
	return isTrue(context.get("forwarded")) || isTrue(context.get("frequently_forwarded"))
}

// silent says whether nothing in this field may act: old conversations, and what the business itself wrote.
func silent(field string) bool { return field == "history" || strings.Contains(field, "echoes") }

// ownNumber says whether a message comes from the business's own number.
func (f found) ownNumber(from string) bool {
	own := f.value.object("metadata").text("display_phone_number")
	return from != "" && digitsOf(from) == digitsOf(own)
}

func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// decodeEcho understands what the business itself wrote, from its phone or another app: it concerns who it was sent to.
func (f found) decodeEcho(in *chat.Inbound, m object) {
	in.Kind = chat.KindMessage
	in.MessageID = m.text("id")
	in.Type = messageType(m)
	w := sides(m, "to")
	if !w.empty() {
		w.complete(f.contacts)
	}
	in.Who, in.Given = w.list()
}
