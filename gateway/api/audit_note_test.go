package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// personal are parts of paths that may be somebody's number.
var personal = []string{"identifier"}

// TestEachPartOfAPathIsNotedOrPersonal: whoever adds a route that changes something says whether its ids may go into the audit.
func TestEachPartOfAPathIsNotedOrPersonal(t *testing.T) {
	changing := 0
	for _, r := range New(Options{Profiles: true}).routes {
		if r.method == http.MethodGet {
			continue
		}
		changing++
		if r.scope == anyone {
			t.Errorf("%s %s changes something for anyone", r.method, r.path)
		}
		for part := range strings.SplitSeq(r.path, "/") {
			name, isParam := strings.CutPrefix(strings.TrimSuffix(part, "}"), "{")
			if isParam && slices.Contains(paramsNoted, name) == slices.Contains(personal, name) {
				t.Errorf("%s %s: is {%s} an id of ours? See paramsNoted", r.method, r.path, name)
			}
		}
	}
	if changing < 15 {
		t.Errorf("%d routes change something", changing)
	}
}
