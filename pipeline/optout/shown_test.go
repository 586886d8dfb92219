package optout_test

import (
	"strings"
	"testing"

	"optgate/pipeline/optout"
)

func TestATextShowsAStopWordWhereItStandsByItself(t *testing.T) {
	a := optout.Account{Lists: []optout.List{
		{ID: "default", Keywords: []string{"STOP", "opt out"}, Languages: map[string]optout.Language{"fr": {Keywords: []string{"arrêt"}}}},
		{ID: "news", Keywords: []string{"no news"}},
		{ID: "empty", Keywords: []string{"!"}},
	}}
	f := func(shows bool, lists []string, texts ...string) {
		t.Helper()
		if a.Shows(lists, texts) != shows {
			t.Errorf("%q by %q: %v", texts, lists, !shows)
		}
	}
	own := []string{"default"}
	f(true, own, "50 % off! Reply STOP to end this.")
	f(true, own, "Hi", "stop")
	f(true, own, strings.Repeat("much to read, ", 200)+"STOP", "")
	f(true, own, "Reply “Opt Out”")
	f(true, own, "Répondez ARRÊT")
	f(true, own, "stopping, nonstop: stop")
	f(false, own, "Nonstop stopping in the busstop")
	f(false, own, "")
	f(false, own, "Reply NO NEWS")
	f(true, []string{"default", "news"}, "Reply NO NEWS")
	f(false, []string{"empty", "gone"}, "Reply STOP!")
	f(false, nil, "Reply STOP")
}
