package meta

import (
	"encoding/json"
	"slices"
	"strings"

	"optgate/pipeline/chat"
)

// Salvage looks for one sender and what they wrote in a record that Decode refused, be it JSON or a torn piece of it. It
// is ok only if it found both and nothing speaks against acting on them: no echo, no history, nothing forwarded, no
// group, no reaction, and no second message or person. Words are found where Meta puts them, whatever their nesting.
func Salvage(value []byte) (in chat.Inbound, ok bool) {
	var s scrap
	s.read(value)
	if s.platform == "" && s.numberID != "" && !s.named { // it broke off before its object, and only WhatsApp has such numbers
		s.platform = chat.WhatsApp
	}
	if s.barred || s.platform == "" {
		return chat.Inbound{}, false
	}
	in = chat.Inbound{
		Kind: chat.KindMessage, Platform: s.platform, Field: s.field, NumberID: s.numberID, MessageID: s.messageID,
		At: moment(s.timestamp), Type: "text", Texts: distinct(s.texts), Acts: true,
	}
	if s.platform == chat.WhatsApp {
		w := s.person()
		if len(w.phones) > 1 || len(w.users) > 1 || len(w.parents) > 1 {
			return chat.Inbound{}, false
		}
		in.Who, in.Given = w.list()
	} else if in.NumberID = first(s.entry, s.recipient); in.NumberID != "" && s.sender != "" && s.sender != in.NumberID {
		f := found{place: &place{platform: s.platform}}
		in.Who, in.Given = []chat.Identifier{f.scoped(in.NumberID, s.sender)}, s.sender
	}
	if json.Valid(value) {
		in.Raw = value
	}
	return in, len(in.Who) > 0 && len(in.Texts) > 0
}

// scrap is what was found, by the names of the members around it.
type scrap struct {
	platform, field, numberID, display string
	entry, sender, recipient           string
	messageID, timestamp               string
	from, contact                      who
	texts                              []string
	barred                             bool
	named                              bool // there is an object

	around map[string]int // the names that the value at hand is within, and how often: a search would take too long in the depths
}

// person gives the sender: whom the message names, or else its contact.
func (s *scrap) person() *who {
	own := s.from.phones[:0:0]
	for _, p := range s.from.phones {
		if s.display == "" || digitsOf(p.given) != digitsOf(s.display) {
			own = append(own, p)
		}
	}
	if s.from.phones = own; s.from.empty() {
		return &s.contact
	}
	return &s.from
}

// read goes through the text token by token, knowing the names of the members that it is within.
func (s *scrap) read(text []byte) {
	var path []string
	name := ""
	s.around = map[string]int{}
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '{', '[':
			if name == "" && len(path) > 0 { // an element is called as its array
				name = path[len(path)-1]
			}
			s.around[name]++
			path, name = append(path, name), ""
			i++
		case '}', ']':
			if name = ""; len(path) > 0 {
				s.leave(path[len(path)-1])
				path = path[:len(path)-1]
			}
			i++
		case ',', ':', ' ', '\t', '\r', '\n':
			i++
		case '"':
			end := skip(text, i)
			word := looseText(text[i:end])
			if i = space(text, end); i < len(text) && text[i] == ':' {
				name = word
			} else if word != "" {
				s.take(path, name, word, true)
			}
		default:
			end := max(i+1, pass(text, i))
			s.take(path, name, string(text[i:end]), false)
			i = end
		}
	}
}

// leave forgets one use of a name.
func (s *scrap) leave(name string) {
	if s.around[name]--; s.around[name] == 0 {
		delete(s.around, name)
	}
}

// looseText gives the text of a string that may be torn off.
func looseText(quoted []byte) string {
	if len(quoted) < 2 || quoted[len(quoted)-1] != '"' {
		return strings.TrimPrefix(string(quoted), `"`)
	}
	return unquote(quoted)
}

// take looks at one value: its member's name, "" in an array, and the names around it.
func (s *scrap) take(path []string, name, word string, quoted bool) {
	last := ""
	if len(path) > 0 {
		last = path[len(path)-1]
	}
	if name == "" { // an element stands for its array
		name = last
	}
	within := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return n == name || s.around[n] > 0 })
	}
	switch {
	case within("history", "history_context", "message_echoes", "statuses", "user_preferences", "reaction", "system", "group_id"),
		within("forwarded", "frequently_forwarded", "is_echo", "is_deleted") && word == "true":
		s.barred = true
	case within("context", "referral", "errors", "profile", "attachments", "reply_to"):
	case name == "object" && s.platform == "":
		s.platform, s.named = platform(word), true
	case name == "field":
		s.field, s.barred = word, s.barred || silent(word)
	case name == "phone_number_id":
		s.numberID = word
	case name == "display_phone_number":
		s.display = word
	case name == "mid", name == "id" && strings.HasPrefix(word, "wamid."):
		s.barred = s.barred || s.messageID != "" && s.messageID != word
		s.messageID = word
	case name == "timestamp":
		s.timestamp = word
	case name == "id" && (last == "entry" || last == "sender" || last == "recipient"):
		s.side(last, word)
	case within("contacts"):
		s.contact.take(name, word, "wa_id", "user_id", "parent_user_id")
	case within("from", "from_user_id", "from_parent_user_id"):
		s.from.take(name, word, "from", "from_user_id", "from_parent_user_id")
	case quoted && within("body", "text", "caption", "title", "payload", "button_reply", "list_reply"),
		quoted && slices.Contains([]string{"messages", "message", "button", "interactive", "postback", "quick_reply", "message_edit"}, name):
		s.texts = append(s.texts, word)
	}
}

// side takes an id of Messenger's or Instagram's.
func (s *scrap) side(side, id string) {
	switch side {
	case "entry":
		s.entry = id
	case "sender":
		s.barred = s.barred || s.sender != "" && s.sender != id
		s.sender = id
	case "recipient":
		s.recipient = id
	}
	for _, list := range []string{"messaging", "standby"} {
		if s.around[list] > 0 && s.platform != chat.WhatsApp {
			s.field = list
		}
	}
}

// take adds an identifier by the name of its member; what stands in an object or array of that name counts as a phone.
func (w *who) take(name, word, phone, user, parent string) {
	switch name {
	case user:
		w.user(word)
	case parent:
		w.parent(word)
	case phone, "id":
		w.number(word)
	}
}
