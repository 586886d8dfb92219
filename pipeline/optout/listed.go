package optout

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"optgate/pipeline/chat"
)

// Listed is one person on an opt-out list, as pages of it show them.
type Listed struct {
	ID      string          // names the entry in its list, for its removal
	Who     chat.Identifier // the identifier that is opted out
	Channel string          // a channel's id, or "*"
	Source  string          // how it came: message, api, import, …
	Since   time.Time       // when the opt-out took effect, by the message's own time
	Note    string          // of somebody on the blacklist: why
	By      string          // of somebody on the blacklist: name of the token that put them there
}

// Search says which people on a list are looked for. The zero Search finds everybody.
type Search struct {
	channel string
	text    string            // part of an identifier, in small letters
	digits  string            // of a phone or a part of one; "" where the text can be none
	begins  bool              // the digits are the number's first
	whole   []chat.Identifier // what the text is if it is a whole phone
}

// NewSearch reads what somebody looks for: a part of an identifier, of a phone in any usual writing and of everything else in
// any case, and the channel of the entry; "" for any. countries are the default countries that a whole phone is read with.
func NewSearch(text, channel string, countries ...string) Search {
	text = strings.TrimSpace(norm.NFKC.String(text))
	s := Search{channel: channel, text: strings.ToLower(text)}
	if s.digits = digits(strings.TrimPrefix(s.text, "tel:")); s.digits == "" {
		return s
	}
	s.begins = strings.ContainsRune(s.text, '+')
	for _, country := range append(countries, "") {
		if id, err := chat.Typed(text, country); err == nil {
			s.whole = append(s.whole, id)
		}
	}
	return s
}

// Everybody says that the search keeps all there are.
func (s Search) Everybody() bool { return s.text == "" && s.channel == "" }

// Finds says whether an entry of somebody is among those looked for.
func (s Search) Finds(id chat.Identifier, channel string) bool {
	if s.channel != "" && s.channel != channel {
		return false
	}
	if s.digits != "" && id.Kind() == chat.KindPhone {
		return s.calls(id)
	}
	return strings.Contains(strings.ToLower(id.Value()), s.text)
}

// calls says whether a phone shows the digits looked for: anywhere, or after its country code where they are written as
// they are dialled at home (0…), or at its beginning where they are written as they are dialled abroad (+…, 00…).
func (s Search) calls(id chat.Identifier) bool {
	number := id.Value()
	if slices.Contains(s.whole, id) {
		return true
	}
	if s.begins {
		return strings.HasPrefix(number, s.digits)
	}
	if strings.Contains(number, s.digits) {
		return true
	}
	if abroad, ok := strings.CutPrefix(s.digits, "00"); ok && abroad != "" && strings.HasPrefix(number, abroad) {
		return true
	}
	home, ok := strings.CutPrefix(s.digits, "0")
	for country := 1; ok && home != "" && country <= 3 && country < len(number); country++ {
		if strings.HasPrefix(number[country:], home) {
			return true
		}
	}
	return false
}

// digits gives the digits of a phone or a part of one, whatever their script and the marks between them; "" where the text
// holds anything else.
func digits(text string) string {
	var found strings.Builder
	for _, r := range strings.ReplaceAll(text, "(0)", "") {
		digit, ok := chat.Digit(r)
		switch {
		case ok:
			found.WriteByte(digit)
		case strings.ContainsRune("+()-./", r), unicode.IsSpace(r), unicode.In(r, unicode.Cf, unicode.Pd):
		default:
			return ""
		}
	}
	return found.String()
}
