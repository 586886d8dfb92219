package api

import "testing"

func TestNullsInListsAreFound(t *testing.T) {
	f := func(body string, holds bool) {
		t.Helper()
		if holdsNull([]byte(body)) != holds {
			t.Error(body)
		}
	}
	f(`{"ids":["a",null]}`, true)
	f(`{"a":{"b":[[null]]}}`, true)
	f(`[null]`, true)
	f(`{"ids":["null"],"email":null}`, false)
	f(`{"ids":[{"a":null}]}`, false)
	f(`null`, false)
	f(`{"ids":[`, false)
}
