package meta

import (
	"encoding/json"
	"strings"
)

// AppendMended cuts a body that AppendItems calls no JSON: one that broke off, or in which something stands that JSON does
// not know. What is wrong spoils the item that it is in, whose record is no JSON then, as a control character does; its
// neighbours are understood. Outside of items it becomes null. The error is AppendItems's; it is ErrNotJSON where there is
// too much to mend: brackets around items that don't belong together, what is nested deeper than mendDepth, or would grow
// by more than an eighth.
func AppendMended(items []Item, body []byte) ([]Item, error) {
	m := mender{text: body, out: make([]byte, 0, len(body)+64)}
	if !m.mend() {
		return items, ErrNotJSON
	}
	return AppendItems(items, m.out)
}

const (
	mendDepth = 10_000  // bounds what is kept of open brackets
	mendSlack = 1 << 10 // bytes that a small body may grow by: a record has to stay small enough for its topic
)

// spoilt stands in an item where something was wrong. No JSON holds a NUL as it is.
const spoilt = "\"\x00\""

// mender writes a text anew, so that its brackets, names and values are as JSON has them.
type mender struct {
	text   []byte
	out    []byte
	stack  []level
	over   bool // the value as a whole is written
	astray bool // brackets around items don't belong together
}

// level is an object or array that is open.
type level struct {
	array         bool
	items         bool   // it is an array of items
	item          bool   // it is an item or within one
	some, comma   bool   // it has an element or member, and a comma was seen since
	named, parted bool   // a member's name is written, and a colon was seen since
	name          string // that name, as written
}

// mend writes all of it; false where that is too much.
func (m *mender) mend() bool {
	for i := 0; i < len(m.text) && !m.over; {
		if m.astray || len(m.stack) > mendDepth || len(m.out) > i+len(m.text)/8+mendSlack {
			return false
		}
		switch c := m.text[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case ',':
			m.comma()
			i++
		case ':':
			if top := m.top(); top != nil {
				top.parted = top.named
			}
			i++
		case '{', '[':
			m.open(c == '[')
			i++
		case '}', ']':
			m.shut(c == ']')
			i++
		case '"':
			end := skip(m.text, i)
			m.word(wholesome(m.text[i:end]))
			i = end
		default:
			end := i + 1
			for end < len(m.text) && strings.IndexByte(" \t\r\n,:{}[]\"", m.text[end]) < 0 {
				end++
			}
			if json.Valid(m.text[i:end]) {
				m.value(string(m.text[i:end]))
			} else {
				m.value(m.wrong())
			}
			i = end
		}
	}
	if len(m.out) == 0 {
		m.out = append(m.out, "null"...)
	}
	if m.astray {
		return false
	}
	m.settle()
	if top := m.top(); top != nil && top.item { // it broke off there
		m.spoil()
	}
	for len(m.stack) > 0 {
		m.shut(m.top().array)
	}
	return true
}

func (m *mender) top() *level {
	if len(m.stack) == 0 {
		return nil
	}
	return &m.stack[len(m.stack)-1]
}

// wrong gives what is written in place of what can't be.
func (m *mender) wrong() string {
	if top := m.top(); top != nil && top.item {
		return spoilt
	}
	return "null"
}

// spoil adds an element or member to what is wrong by itself.
func (m *mender) spoil() {
	if top := m.top(); top != nil && top.item {
		top.comma = true
		m.value(spoilt)
	}
}

func (m *mender) comma() {
	m.settle()
	top := m.top()
	if top == nil {
		return
	}
	if top.comma || !top.some {
		m.spoil()
	}
	top.comma = true
}

func (m *mender) open(array bool) {
	now := level{array: array}
	if top := m.top(); top != nil {
		name := strings.Trim(top.name, `"`)
		now.items = array && !top.array && (lists[name] != "" || name == "messaging" || name == "standby")
		now.item = top.item || top.items
	}
	bracket := "{"
	if array {
		bracket = "["
	}
	m.value(bracket)
	m.stack = append(m.stack, now)
}

// word writes a string: a name where an object waits for one, else a value.
func (m *mender) word(text string) {
	top := m.top()
	if top != nil && !top.array && top.named && !top.parted { // two in a row: the first was no name
		m.settle()
	}
	if top != nil && !top.array && !top.named {
		m.next(text)
		top.named, top.name = true, text
		return
	}
	m.value(text)
}

// value writes a value, or the bracket that it begins with. A member that has no name gets one.
func (m *mender) value(text string) {
	top := m.top()
	switch {
	case top == nil: // what stands around the body, as a byte order mark, is none of it
		if text == "{" || text == "[" {
			m.out = append(m.out, text...)
		}
	case top.array:
		m.next(text)
	default:
		if !top.named && top.item {
			m.next(spoilt)
		} else if !top.named {
			m.next(`""`)
		}
		m.out = append(append(m.out, ':'), text...)
		top.named, top.parted = false, false
	}
}

// next writes an element or a member's name, after a comma where there is one before.
func (m *mender) next(text string) {
	top := m.top()
	if top.some && !top.comma {
		m.spoil()
	}
	if top.some {
		m.out = append(m.out, ',')
	}
	top.some, top.comma = true, false
	m.out = append(m.out, text...)
}

// settle gives a name without a value one.
func (m *mender) settle() {
	if top := m.top(); top != nil && top.named {
		m.value(m.wrong())
	}
}

// shut closes what is open, within an item whichever bracket came. The end of the array of items ends an item that is
// open too. Any other bracket there would have members of one item pass for another's.
func (m *mender) shut(array bool) {
	m.settle()
	top := m.top()
	if top == nil {
		return
	}
	if top.array != array || top.comma {
		m.spoil()
	}
	if top.array != array {
		last := len(m.stack) > 1 && m.stack[len(m.stack)-2].items // top is an item
		m.astray = m.astray || !top.item || last && !array
		if last && array {
			m.end()
		}
	}
	m.end()
}

// end writes the bracket that closes what is open.
func (m *mender) end() {
	top := m.top()
	end := byte('}')
	if top.array {
		end = ']'
	}
	m.out = append(m.out, end)
	m.stack = m.stack[:len(m.stack)-1]
	m.over = len(m.stack) == 0
}

// wholesome gives a string with its quotes, one that may be torn off; an escape that JSON doesn't know becomes a NUL.
func wholesome(quoted []byte) string {
	if json.Valid(quoted) {
		return string(quoted)
	}
	inner := quoted[1:]
	if n := len(inner); n > 0 && inner[n-1] == '"' && !openEscape(inner[:n-1]) {
		inner = inner[:n-1]
	}
	out := []byte{'"'}
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			out = append(out, inner[i])
			continue
		}
		n := 2
		if i+1 < len(inner) && inner[i+1] == 'u' {
			n = 6
		}
		if i+n <= len(inner) && json.Valid([]byte(`"`+string(inner[i:i+n])+`"`)) {
			out = append(out, inner[i:i+n]...)
			i += n - 1
		} else {
			out = append(out, 0)
		}
	}
	return string(append(out, '"'))
}

// openEscape says whether what follows a text is escaped by its end.
func openEscape(text []byte) bool {
	n := 0
	for n < len(text) && text[len(text)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}
