package meta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file reads JSON text in place. encoding/json would lose items: of two members with one name it keeps the last, one
// member of a wrong type spoils its siblings, and nesting deeper than 10,000 in one item refuses the whole batch. Here
// members keep their order and their bytes, and depth costs a byte a level.

// member is one member of an object, its value as the bytes that came.
type member struct {
	key   string
	name  []byte // the key as it was written, with its quotes
	value []byte
}

// object is a JSON object's members in their order; nil for anything else.
type object []member

// pass gives where the word that begins at i is over.
func pass(text []byte, i int) int {
	for i < len(text) && strings.IndexByte(" \t\r\n,]}", text[i]) < 0 {
		i++
	}
	return i
}

func space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// skip passes one value of valid text.
func skip(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i++
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
			continue
		default:
			i = pass(text, i)
		}
		if depth == 0 {
			break
		}
	}
	return min(i, len(text))
}

// members gives an object's members; nil where the value is none. The value is valid JSON.
func members(value []byte) object {
	i := space(value, 0)
	if i >= len(value) || value[i] != '{' {
		return nil
	}
	found := make(object, 0, 4)
	for i = space(value, i+1); i < len(value) && value[i] == '"'; {
		end := skip(value, i)
		name := value[i:end]
		begin := space(value, space(value, end)+1)
		end = skip(value, begin)
		found = append(found, member{key: nameOf(name), name: name, value: value[begin:end]})
		if i = space(value, end); i < len(value) && value[i] == ',' {
			i = space(value, i+1)
		}
	}
	return found
}

// elements gives an array's elements; ok is false where the value is none. The value is valid JSON.
func elements(value []byte) (found [][]byte, ok bool) {
	i := space(value, 0)
	if i >= len(value) || value[i] != '[' {
		return nil, false
	}
	for i = space(value, i+1); i < len(value) && value[i] != ']'; {
		end := skip(value, i)
		found = append(found, value[i:end])
		if i = space(value, end); i < len(value) && value[i] == ',' {
			i = space(value, i+1)
		}
	}
	return found, true
}

// get gives the last member of this name, as encoding/json would; nil where there is none.
func (o object) get(key string) []byte {
	for _, m := range slices.Backward(o) {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// has says whether there is a member of that name from a place on.
func (o object) has(key string, from int) bool {
	return slices.ContainsFunc(o[from:], func(m member) bool { return m.key == key })
}

// text gives a member that is a string, or the digits of one that is a number; "" for everything else.
func (o object) text(key string) string { return scalar(o.get(key)) }

// object gives a member that is an object; nil for everything else.
func (o object) object(key string) object { return members(o.get(key)) }

// list gives a member that is an array; nil for everything else.
func (o object) list(key string) [][]byte {
	found, _ := elements(o.get(key)) // what is no array has no elements
	return found
}

func scalar(value []byte) string {
	switch {
	case len(value) == 0:
		return ""
	case value[0] == '"':
		return unquote(value)
	case value[0] == '-' || value[0] >= '0' && value[0] <= '9':
		return string(value)
	}
	return ""
}

// isNull says whether a value is missing or null.
func isNull(value []byte) bool { return len(value) == 0 || value[0] == 'n' }

// isTrue says whether a value is true, written as a boolean or as a word.
func isTrue(value []byte) bool { return string(value) == "true" || string(value) == `"true"` }

// unquote gives a string's text. What is no UTF-8, and half a surrogate pair, becomes U+FFFD.
func unquote(quoted []byte) string {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var text string
	if json.Unmarshal(quoted, &text) != nil && json.Unmarshal(bared(quoted), &text) != nil {
		return ""
	}
	return text
}

// bared escapes the control characters of a string, which encoding/json refuses.
func bared(quoted []byte) []byte {
	var b []byte
	for _, c := range quoted {
		if c < ' ' {
			b = fmt.Appendf(b, `\u%04x`, c)
		} else {
			b = append(b, c)
		}
	}
	return b
}
