package optout

import (
	"slices"
	"strings"
	"unicode/utf8"

	"optgate/pipeline/chat"
)

// polite are the phrases that may stand before or after a stop word without making it a sentence, folded, by language:
// English, German, French, Spanish, Portuguese, Italian, Dutch, Russian, Indonesian.
const polite = "please|pls|plz|thanks|thank you|thx|" +
	"bitte|danke|vielen dank|" +
	"s'il vous plait|s'il te plait|svp|stp|merci|" +
	"por favor|gracias|" +
	"obrigado|obrigada|" +
	"per favore|grazie|" +
	"alstublieft|alsjeblieft|bedankt|dank u|" +
	"пожалуиста|спасибо|" +
	"tolong|terima kasih"

// maxForms bounds what one message asks the keywords for.
const maxForms = 32

// Candidates gives the folded forms of a message's texts to look up among an account's keywords: each text as a whole, and
// by the politeness rule what is left of it without polite phrases around it.
//
// The politeness rule: a keyword counts only as the whole message, and a message is still whole if phrases of courtesy
// stand before or after the word, any number of them, each divided from the rest by a space or punctuation ("please stop",
// "stop. thank you", "stop, thanks 🙏"). Nothing else may stand beside it: "please don't stop" gives "don't stop", "can you
// stop please" gives "can you stop", and neither is a keyword. A phrase inside a text is a part of it, and a message of
// nothing but courtesy says nothing.
func Candidates(texts []string) []string {
	var forms []string
	add := func(form string) {
		if form != "" && len(forms) < maxForms && !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	for _, text := range texts {
		first := len(forms)
		add(FoldText(text))
		for i := first; i < len(forms); i++ {
			for phrase := range strings.SplitSeq(polite, "|") {
				add(without(forms[i], phrase))
			}
		}
	}
	return forms
}

// without gives what stands before or after a phrase that begins or ends the form; "" where there is no such thing.
func without(form, phrase string) string {
	if rest, ok := strings.CutSuffix(form, phrase); ok {
		if last, _ := utf8.DecodeLastRuneInString(rest); rest != "" && outside(last) {
			return strings.TrimFunc(rest, outside)
		}
	}
	if rest, ok := strings.CutPrefix(form, phrase); ok {
		if first, _ := utf8.DecodeRuneInString(rest); rest != "" && outside(first) {
			return strings.TrimFunc(rest, outside)
		}
	}
	return ""
}

// Listens says whether the list's words count on a channel.
func (l List) Listens(channel string) bool {
	return slices.Contains(l.Channels, channel) || slices.Contains(l.Channels, chat.AnyChannel)
}

// Covers gives the channel of the entry that an opt-out by a message on a channel makes.
func (l List) Covers(channel string) string {
	if l.Scope == ScopeAll {
		return chat.AnyChannel
	}
	return channel
}
