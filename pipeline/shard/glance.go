package shard

import (
	"bytes"
	"encoding/json"
)

// readCommand reads a record's value. Commands are written by Record, nearly always, and then a glance finds their parts; any
// other writing is left to encoding/json. The body is a part of value, not a copy.
func readCommand(value []byte) (Command, error) {
	if c, ok := glance(value); ok {
		return c, nil
	}
	var c Command
	err := json.Unmarshal(value, &c)
	return c, err
}

// glance reads exactly what Record writes as long as its texts are plain. Where it says ok, encoding/json would have read the
// same.
func glance(value []byte) (c Command, ok bool) {
	rest, ok := bytes.CutPrefix(value, []byte(`{"v":1,"id":`))
	if !ok {
		return c, false
	}
	c.V = 1
	if c.ID, rest, ok = plain(rest); !ok {
		return c, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"kind":`)); !ok {
		return c, false
	}
	if c.Kind, rest, ok = plain(rest); !ok {
		return c, false
	}
	if after, has := bytes.CutPrefix(rest, []byte(`,"account":`)); has {
		if c.Account, rest, ok = plain(after); !ok {
			return c, false
		}
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"made":`)); !ok {
		return c, false
	}
	if c.Made, rest, ok = digits(rest); !ok {
		return c, false
	}
	body, ok := bytes.CutPrefix(rest, []byte(`,"body":`))
	if !ok || len(body) < 3 || body[0] != '{' {
		return c, false
	}
	c.Body = body[: len(body)-1 : len(body)-1]
	return c, body[len(body)-1] == '}' && body[len(body)-2] == '}' && json.Valid(c.Body)
}

// plain reads a text in quotes that means what it looks like.
func plain(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return "", nil, false
	}
	for i, c := range b[1:] {
		switch {
		case c == '"':
			return string(b[1 : 1+i]), b[i+2:], true
		case c < ' ' || c == '\\' || c > '~':
			return "", nil, false
		}
	}
	return "", nil, false
}

// digits reads a whole number above zero that no int64 is too small for.
func digits(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && i < 18 && b[i] >= '0' && b[i] <= '9'; i++ {
		n = 10*n + int64(b[i]-'0')
	}
	return n, b[i:], i > 0 && b[0] != '0'
}
