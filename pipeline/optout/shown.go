package optout

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Shows says whether a text that people are shown names a stop word of one of some lists, as a word by itself anywhere in it: whoever
// reads it knows how to end the messages.
func (a Account) Shows(lists, texts []string) bool {
	var words []string
	for _, l := range a.Lists {
		if !slices.Contains(lists, l.ID) {
			continue
		}
		words = append(words, l.Keywords...)
		for _, language := range l.Languages {
			words = append(words, language.Keywords...)
		}
	}
	for _, text := range texts {
		folded := fold(text)
		if slices.ContainsFunc(words, func(word string) bool { return holds(folded, FoldText(word)) }) {
			return true
		}
	}
	return false
}

// holds says whether a word stands in a text with nothing of a word beside it.
func holds(text, word string) bool {
	for from := 0; word != ""; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		after, _ := utf8.DecodeRuneInString(text[at+len(word):])
		if (at == 0 || outside(before)) && (at+len(word) == len(text) || outside(after)) {
			return true
		}
		from = at + len(word)
	}
	return false
}
