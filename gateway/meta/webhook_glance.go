package meta

import (
	"bytes"
	"unicode/utf8"

	"optgate/pipeline/chat"
)

// This file is the short way through AppendItems for the webhook that comes most often: WhatsApp's, with one item, written as
// Meta writes it. It reads the text once and makes nothing. What it doesn't recognise at once is left to the long way,
// which must come to the same result wherever this one comes to any (FuzzGlance).

// glance finds the only item of such a webhook; false leaves it to walk.
func glance(body []byte) (Item, bool) {
	g := glancer{text: body}
	g.members(g.top)
	if g.lost || !g.theirs || !g.found || space(body, g.at) != len(body) {
		return Item{}, false
	}
	item := Item{Key: g.key, Field: known(g.field), Kind: lists[g.array], Value: body}
	if item.Field == "" {
		item.Field = string(g.field)
	}
	return item, true
}

// glancer is where a glance has come to, and what it has found.
type glancer struct {
	text   []byte
	at     int
	lost   bool // this is for the long way
	theirs bool // the object is WhatsApp's
	seen   seen
	found  bool
	array  string // that the item stands in, as lists has it
	field  []byte
	key    []byte
	rank   int // of the key; less is better
}

// seen are the members that may come once.
type seen struct{ object, entry, changes, value, field bool }

// members reads an object, and lets take read each member's value. It is lost where there is no object.
func (g *glancer) members(take func(name []byte)) {
	if g.at = space(g.text, g.at); g.lost || g.at >= len(g.text) || g.text[g.at] != '{' {
		g.lost = true
		return
	}
	for g.at = space(g.text, g.at+1); !g.lost; g.at = space(g.text, g.at+1) {
		name, ok := g.quoted()
		if g.at = space(g.text, g.at); !ok || g.at >= len(g.text) || g.text[g.at] != ':' {
			g.lost = true // an empty object too
			return
		}
		g.at = space(g.text, g.at+1)
		take(name)
		if g.at = space(g.text, g.at); g.lost || g.at >= len(g.text) || g.text[g.at] != ',' {
			break
		}
	}
	g.expect('}')
}

// only reads an array of one element. It is lost where there is anything else.
func (g *glancer) only(element func()) {
	g.expect('[')
	element()
	g.expect(']')
}

func (g *glancer) expect(c byte) {
	if g.at = space(g.text, g.at); g.lost || g.at >= len(g.text) || g.text[g.at] != c {
		g.lost = true
		return
	}
	g.at++
}

// skip passes a value.
func (g *glancer) skip() {
	end, found := value(g.text, g.at)
	if end < 0 || found&bare != 0 {
		g.lost = true
		return
	}
	g.at = end
}

// quoted reads a string in which nothing is escaped.
func (g *glancer) quoted() (text []byte, ok bool) {
	if g.at >= len(g.text) || g.text[g.at] != '"' {
		return nil, false
	}
	end, found := stringEnd(g.text, g.at)
	if end < 0 || found != 0 {
		return nil, false
	}
	text, g.at = g.text[g.at+1:end-1], end
	return text, true
}

// once says that a member has come, which may come once.
func (g *glancer) once(before *bool) {
	g.lost = g.lost || *before
	*before = true
}

func (g *glancer) top(name []byte) {
	switch string(name) {
	case "object":
		g.once(&g.seen.object)
		text, ok := g.quoted()
		g.theirs = ok && platform(string(text)) == chat.WhatsApp
		g.lost = g.lost || !g.theirs
	case "entry":
		g.once(&g.seen.entry)
		g.only(func() { g.members(g.entry) })
	default:
		g.skip()
	}
}

func (g *glancer) entry(name []byte) {
	switch string(name) {
	case "changes":
		g.once(&g.seen.changes)
		g.only(func() { g.members(g.change) })
	case "messaging", "standby":
		g.lost = true
	default:
		g.skip()
	}
}

func (g *glancer) change(name []byte) {
	switch string(name) {
	case "value":
		g.once(&g.seen.value)
		g.members(g.value)
	case "field":
		g.once(&g.seen.field)
		text, ok := g.quoted()
		g.lost = g.lost || !ok || !utf8.Valid(text)
		g.field = text
	default:
		g.skip()
	}
}

func (g *glancer) value(name []byte) {
	if array, holds := arrayOf(name); holds {
		g.once(&g.found)
		g.array, g.rank = array, len(shownNames)
		g.lost = g.lost || array == "message_echoes" // whose key is not the first it shows
		g.only(func() { g.members(g.item) })
		return
	}
	g.lost = g.lost || string(name) == "standby"
	g.skip()
}

// arrayOf gives the name of an array of items without making one.
func arrayOf(name []byte) (string, bool) {
	for _, array := range [...]string{"messages", "statuses"} {
		if string(name) == array {
			return array, true
		}
	}
	if lists[string(name)] == "" {
		return "", false
	}
	return string(name), true
}

func (g *glancer) item(name []byte) {
	switch string(name) {
	case "sender", "recipient", "message", "value": // Messenger's, or of no array
		g.lost = true
		return
	}
	rank, shows := shownRanks[string(name)]
	begin := g.at
	g.skip()
	if !shows || g.lost || rank > g.rank {
		return
	}
	if rank == g.rank { // comes again: the last one counts, be it what it may
		g.lost = true
		return
	}
	text := g.text[begin:g.at]
	switch c := text[0]; {
	case c == '"':
		text = text[1 : len(text)-1]
		if bytes.IndexByte(text, '\\') >= 0 || !utf8.Valid(text) {
			g.lost = true
		}
	case c != '-' && (c < '0' || c > '9'):
		text = nil
	}
	if len(text) > 0 {
		g.key, g.rank = text[:min(len(text), maxKey)], rank
	}
}

// known gives a field's name without making one, where it is one of those that come all the time.
func known(field []byte) string {
	for _, name := range [...]string{"messages", "user_preferences", "standby", "history", "smb_message_echoes", "calls"} {
		if string(field) == name {
			return name
		}
	}
	return ""
}
