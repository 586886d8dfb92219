package optout

import (
	"fmt"
	"testing"

	"optgate/pipeline/chat"
)

// What a replay hears is what the account's own words would hear: the same folding, the same politeness, never a part of a
// sentence.
func TestAReplayHearsAsNewMessagesAreHeard(t *testing.T) {
	for words, want := range map[string]bool{
		"stop": true, "STOP!": true, "ＳＴＯＰ": true, "stop, please": true, "Thanks. Stop": true, "s\u200btop 🙏": true,
		"don't stop": false, "stop by tomorrow": false, "stopp": false, "": false,
	} {
		k := NewKeywordReplay([]string{"Stop"})
		k.Hear("wa", "m", 1, []string{words})
		l := Lexicon{Account: Account{Lists: []List{{ID: "a", Channels: []string{"*"}, Keywords: []string{"Stop"}}}}}
		l.meanings = l.Account.keywords()
		heard, _ := l.Hear("wa", Candidates([]string{words}))
		if got := k.Keywords[0].Messages == 1; got != want || got != (len(heard) > 0) {
			t.Errorf("%q: replayed %v, heard %v", words, got, len(heard) > 0)
		}
	}
}

func TestAReplayRemembersNoMoreThanItMay(t *testing.T) {
	k := NewKeywordReplay([]string{"a", "b", "a!", "?"})
	k.most = 10
	for n := range 100 {
		k.Hear("wa", "", chat.Pseudonym(n), []string{"a"})
		k.Hear("wb", "", chat.Pseudonym(n), []string{"b"})
	}
	a, b, again, nothing := k.Keywords[0], k.Keywords[1], k.Keywords[2], k.Keywords[3]
	if !k.Full || a.Messages != 100 || b.Messages != 100 || again.Messages != 100 || len(a.People)+len(b.People)+len(again.People) != 10 {
		t.Errorf("%v %d %d", k.Full, len(a.People), len(b.People))
	}
	if nothing.Folded != "" || nothing.Messages != 0 {
		t.Errorf("%+v", nothing)
	}
	k = NewKeywordReplay([]string{"a"})
	for n := range 10 {
		k.Hear("wa", fmt.Sprint("m", n%3), 7, []string{"a"})
		k.Hear("wb", fmt.Sprint("m", n%3), 7, []string{"a"})
	}
	if k.Full || k.Keywords[0].Messages != 6 || len(k.Keywords[0].People) != 1 || k.Keywords[0].People[7] != "wa" {
		t.Errorf("%+v", k.Keywords[0])
	}
}
