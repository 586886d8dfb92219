package api

import (
	"bytes"
	"encoding/json"
)

// holdsNull says whether a list in a JSON value holds null. encoding/json would take it for an empty text, which nobody has said;
// a member that is null says that it isn't given.
func holdsNull(body []byte) bool {
	if !bytes.Contains(body, []byte("null")) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	var lists []bool // of what is open, the innermost last
	for {
		token, err := d.Token()
		if err != nil {
			return false // the end
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			lists = append(lists, token == json.Delim('['))
		case json.Delim(']'), json.Delim('}'):
			lists = lists[:len(lists)-1]
		case nil:
			if len(lists) > 0 && lists[len(lists)-1] {
				return true
			}
		}
	}
}
