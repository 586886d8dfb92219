package meta

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// valid says whether text is one JSON value, as RFC 8259 has it; bytes that are no UTF-8 are let through in strings.
func valid(text []byte) bool {
	end, marks := value(text, space(text, 0))
	return end >= 0 && marks&bare == 0 && space(text, end) == len(text)
}

// sound says whether text is one JSON value, but for control characters that stand in its strings as they are. They spoil
// the message that they stand in, and not where it and its neighbours begin and end.
func sound(text []byte) bool {
	end, _ := value(text, space(text, 0))
	return end >= 0 && space(text, end) == len(text)
}

// marks tell of a string, or of all strings in a value, what is not plain in them.
type marks uint8

const (
	escaped marks = 1 << iota // a backslash
	bare                      // a control character that should be escaped
)

// value passes the value that begins at i; the end is -1 where there is none.
func value(text []byte, i int) (end int, found marks) {
	var few [32]byte
	open := few[:0] // brackets not closed yet
	for {
		if i >= len(text) {
			return -1, found
		}
		switch c := text[i]; c {
		case '{', '[':
			i = space(text, i+1)
			if i < len(text) && text[i] == c+2 { // '{'+2 is '}', '['+2 is ']'
				i++
				break
			}
			if open = append(open, c); c == '{' {
				if i = memberName(text, i, &found); i < 0 {
					return -1, found
				}
			}
			continue
		case '"':
			var m marks
			i, m = stringEnd(text, i)
			found |= m
		default:
			i = wordEnd(text, i)
		}
		if i < 0 {
			return -1, found
		}
		more := false
		for !more { // a value has ended at i
			if len(open) == 0 {
				return i, found
			}
			if i = space(text, i); i >= len(text) {
				return -1, found
			}
			switch top := open[len(open)-1]; {
			case text[i] == top+2:
				open = open[:len(open)-1]
				i++
			case text[i] != ',':
				return -1, found
			case top == '{':
				if i = memberName(text, space(text, i+1), &found); i < 0 {
					return -1, found
				}
				more = true
			default:
				i, more = space(text, i+1), true
			}
		}
	}
}

// memberName passes a member's name and colon and gives where its value begins; -1 where there is none.
func memberName(text []byte, i int, found *marks) int {
	if i >= len(text) || text[i] != '"' {
		return -1
	}
	i, m := stringEnd(text, i)
	*found |= m
	if i < 0 {
		return -1
	}
	if i = space(text, i); i >= len(text) || text[i] != ':' {
		return -1
	}
	return space(text, i+1)
}

// stringEnd passes the string that begins at i; the end is -1 where it is no string.
func stringEnd(text []byte, i int) (end int, found marks) {
	for i++; ; {
		if i = plainEnd(text, i); i >= len(text) {
			return -1, found
		}
		switch c := text[i]; {
		case c == '"':
			return i + 1, found
		case c < ' ':
			found |= bare
			i++
		case i+1 >= len(text):
			return -1, found
		case text[i+1] == 'u':
			if i+6 > len(text) || !hexDigits(text[i+2:i+6]) {
				return -1, found
			}
			found |= escaped
			i += 6
		case strings.IndexByte(`"\/bfnrt`, text[i+1]) < 0:
			return -1, found
		default:
			found |= escaped
			i += 2
		}
	}
}

// plainEnd passes what is neither a quote nor a backslash nor a control character, eight bytes at a time: most of a webhook
// stands in strings, and byte by byte they are half of the time of Split (BenchmarkSplit).
func plainEnd(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		quote, backslash := x^ones*'"', x^ones*'\\'
		// Each term has a high bit where its byte is 0, or below ' '; above the first such bit it may err.
		special := ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-ones*' ')&^x) & highs
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

func hexDigits(text []byte) bool {
	for _, c := range text {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// wordEnd passes the number or the true, false or null that begins at i; -1 where it is none.
func wordEnd(text []byte, i int) int {
	switch text[i] {
	case 't':
		return literal(text, i, "true")
	case 'f':
		return literal(text, i, "false")
	case 'n':
		return literal(text, i, "null")
	}
	return numberEnd(text, i)
}

func literal(text []byte, i int, word string) int {
	if end := i + len(word); end <= len(text) && string(text[i:end]) == word {
		return end
	}
	return -1
}

// numberEnd passes a number: a whole part without leading zeros, a fraction, an exponent.
func numberEnd(text []byte, i int) int {
	if i < len(text) && text[i] == '-' {
		i++
	}
	whole := i
	if i = digits(text, i); i == whole || text[whole] == '0' && i > whole+1 {
		return -1
	}
	if i < len(text) && text[i] == '.' {
		from := i + 1
		if i = digits(text, from); i == from {
			return -1
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		from := i
		if i = digits(text, from); i == from {
			return -1
		}
	}
	return i
}

func digits(text []byte, i int) int {
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	return i
}
