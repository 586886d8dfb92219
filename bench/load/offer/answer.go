package offer

import (
	"bytes"
	"errors"
	"strconv"
)

// answer is what a server said.
type answer struct {
	status int
	size   int  // bytes of the whole answer; 0: it isn't whole yet
	closes bool // the server closes the connection after it
}

// errGarbled says that what came is no HTTP/1.1 answer with a length. Servers that are measured give one.
var errGarbled = errors.New("no HTTP/1.1 answer with a length")

const (
	longestHead = 16 << 10
	longestBody = 1 << 20
)

// parse looks for an answer at the beginning of what was read.
func parse(got []byte) (answer, error) {
	end := bytes.Index(got, []byte("\r\n\r\n"))
	if end < 0 {
		if len(got) > longestHead {
			return answer{}, errGarbled
		}
		return answer{}, nil
	}
	status, fields, _ := bytes.Cut(got[:end], []byte("\r\n"))
	a := answer{}
	code, ok := bytes.CutPrefix(status, []byte("HTTP/1.1 "))
	if !ok || len(code) < 3 || (len(code) > 3 && code[3] != ' ') {
		return answer{}, errGarbled
	}
	a.status, ok = number(code[:3])
	if !ok || a.status < 200 {
		return answer{}, errGarbled
	}
	length := -1
	for len(fields) > 0 {
		var field []byte
		field, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		name, value, _ := bytes.Cut(field, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "content-length"):
			if length, ok = number(value); !ok || length > longestBody {
				return answer{}, errGarbled
			}
		case is(name, "connection"):
			a.closes = is(value, "close")
		}
	}
	if a.status == 204 || a.status == 304 {
		length = 0
	}
	if length < 0 {
		return answer{}, errGarbled
	}
	if whole := end + 4 + length; whole <= len(got) {
		a.size = whole
	}
	return a, nil
}

// is compares a name regardless of case.
func is(name []byte, want string) bool {
	return len(name) == len(want) && bytes.EqualFold(name, []byte(want))
}

// number reads digits alone.
func number(text []byte) (int, bool) {
	if len(text) == 0 || len(text) > 9 || len(bytes.Trim(text, "0123456789")) > 0 {
		return 0, false
	}
	n, err := strconv.Atoi(string(text))
	return n, err == nil
}
