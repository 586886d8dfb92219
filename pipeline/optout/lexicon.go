package optout

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
)

// Lexicon is an account as needed by who hears its people: the state, and what each folded word means to its lists. It is
// made once of a state and shared: nobody changes it.
type Lexicon struct {
	Account  Account
	Revision uint64 // of the state; another one says that something was decided about the account in between

	meanings map[string][]Match
}

// NewLexicon reads an account's state.
func NewLexicon(state []byte) (*Lexicon, error) {
	l := &Lexicon{}
	if err := json.Unmarshal(state, &l.Account); err != nil {
		return nil, fmt.Errorf("read an account: %w", err)
	}
	sum := fnv.New64a()
	_, _ = sum.Write(state) // a hash never fails
	l.Revision = sum.Sum64()
	l.meanings = l.Account.keywords()
	return l, nil
}

// keywords gives what each folded word means to an account's lists. A keyword that folds to nothing means nothing.
func (a Account) keywords() map[string][]Match {
	meanings := map[string][]Match{}
	add := func(words []string, m Match) {
		for _, word := range words {
			if folded := FoldText(word); folded != "" && !slices.Contains(meanings[folded], m) {
				meanings[folded] = append(meanings[folded], m)
			}
		}
	}
	for _, list := range a.Lists {
		add(list.Keywords, Match{List: list.ID})
		add(list.OptinKeywords, Match{List: list.ID, Optin: true})
	}
	return meanings
}

// Heard is a list that a message's words are meant for, and the word.
type Heard struct {
	List List
	Word string // folded
}

// Hear gives the lists that hear one of the words (folded, as of Candidates) on a channel, in the account's order, and
// whether the words opt out or in. Where the words of one message do both, it opts out.
func (l *Lexicon) Hear(channel string, words []string) (heard []Heard, out bool) {
	if !slices.ContainsFunc(words, func(word string) bool { return l.meanings[word] != nil }) {
		return nil, false // nearly every message
	}
	for _, optin := range []bool{false, true} {
		for _, list := range l.Account.Lists {
			if !list.Listens(channel) {
				continue
			}
			said := slices.IndexFunc(words, func(word string) bool {
				return slices.Contains(l.meanings[word], Match{List: list.ID, Optin: optin})
			})
			if said >= 0 {
				heard = append(heard, Heard{List: list, Word: words[said]})
			}
		}
		if len(heard) > 0 {
			return heard, !optin
		}
	}
	return nil, false
}
