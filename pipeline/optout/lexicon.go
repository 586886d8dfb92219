package optout

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
)

// Lexicon is an account as needed by who hears its people: the state, and what each folded word means to its lists. It is
// made once of a state and shared: nobody changes it.
type Lexicon struct {
	Account  Account
	Revision uint64 // of the state; another one says that something was decided about the account in between

	meanings map[string][]meaning
	near     nearWords
}

// meaning is what a word says to a list.
type meaning struct {
	list     int    // index in the account's
	optin    bool   // lifts, instead of opting out
	language string // whose word it is; "" for the list's own
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
	l.near = newNearWords(l.meanings)
	return l, nil
}

// keywords gives what each folded word means to an account's lists. A keyword that folds to nothing means nothing. Where
// a list has a word twice, its own comes before that of a language.
func (a Account) keywords() map[string][]meaning {
	meanings := map[string][]meaning{}
	add := func(words []string, m meaning) {
		for _, word := range words {
			folded := FoldText(word)
			if folded != "" && !slices.ContainsFunc(meanings[folded], func(k meaning) bool { return k.list == m.list && k.optin == m.optin }) {
				meanings[folded] = append(meanings[folded], m)
			}
		}
	}
	for i, list := range a.Lists {
		add(list.Keywords, meaning{list: i})
		add(list.OptinKeywords, meaning{list: i, optin: true})
		for _, code := range slices.Sorted(maps.Keys(list.Languages)) {
			add(list.Languages[code].Keywords, meaning{i, false, code})
			add(list.Languages[code].OptinKeywords, meaning{i, true, code})
		}
	}
	return meanings
}

// Heard is a list that a message's words are meant for, and the word.
type Heard struct {
	List     List
	Word     string // folded
	Language string // whose word it is; "" for the list's own
}

// Text is what is answered to who said the word: in the word's language, or else in the list's own words.
func (h Heard) Text(out bool) string {
	language := h.List.Languages[h.Language]
	switch {
	case out && language.Confirmation != "":
		return language.Confirmation
	case out:
		return h.List.Confirmation
	case language.OptinMessage != "":
		return language.OptinMessage
	}
	return h.List.OptinMessage
}

// Hear gives the lists that hear one of the words (folded, as of Candidates) on a channel, in the account's order, and
// whether the words opt out or in. Where the words of one message do both, it opts out.
func (l *Lexicon) Hear(channel string, words []string) (heard []Heard, out bool) {
	if !slices.ContainsFunc(words, func(word string) bool { return l.meanings[word] != nil }) {
		return nil, false // nearly every message
	}
	for _, optin := range []bool{false, true} {
		for i, list := range l.Account.Lists {
			if !list.Listens(channel) {
				continue
			}
			if said, ok := l.meant(words, i, optin); ok {
				said.List = list
				heard = append(heard, said)
			}
		}
		if len(heard) > 0 {
			return heard, !optin
		}
	}
	return nil, false
}

// meant finds the first of the words that means this to a list.
func (l *Lexicon) meant(words []string, list int, optin bool) (Heard, bool) {
	for _, word := range words {
		for _, m := range l.meanings[word] {
			if m.list == list && m.optin == optin {
				return Heard{Word: word, Language: m.language}, true
			}
		}
	}
	return Heard{}, false
}
