package optout

import (
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The near miss: a text of a person's that no list hears as a whole, and that nearly is a stop word of one, so that
// somebody should look at it. That is either a stop word misspelt, by one letter for words of four letters and by two for
// words of seven (a letter missing, added or another, or two that changed places), or a sentence of at most five words that
// holds a stop word ("stop texting me", and also "don't stop"). A near miss is counted and never honoured.
const (
	nearText     = 50 // code points
	nearSentence = 5  // words
	nearOne      = 4  // letters of a stop word that may miss one
	nearTwo      = 7  // letters of a stop word that may miss two
	nearLists    = 20 // of those that share a word
)

// nearWords are an account's stop words, prepared so that a text which is none of them costs next to nothing.
type nearWords struct {
	byLength [][]nearWord // stop words of at least nearOne letters, by their number of letters
	words    int          // of the longest stop word
}

// nearWord is a stop word as texts are compared with it.
type nearWord struct {
	letters []rune
	mask    uint64 // of its letters: see maskOf
	means   []meaning
}

func newNearWords(meanings map[string][]meaning) (n nearWords) {
	for folded, means := range meanings {
		stops := slices.DeleteFunc(slices.Clone(means), func(m meaning) bool { return m.optin })
		if len(stops) == 0 {
			continue
		}
		n.words = max(n.words, 1+strings.Count(folded, " "))
		letters := []rune(folded)
		if len(letters) < nearOne || len(letters) > nearText {
			continue
		}
		for len(n.byLength) <= len(letters) {
			n.byLength = append(n.byLength, nil)
		}
		n.byLength[len(letters)] = append(n.byLength[len(letters)], nearWord{letters, maskOf(letters), stops})
	}
	return n
}

// Near gives the shortest of a message's forms (folded, as of Candidates) that is nearly a stop word, and the ids of the
// lists that listen on the channel and have such a word; none for nearly every message. It is asked only of messages that
// nobody hears. A text with a digit, an address or a link in it is passed over: it may say more about the person.
func (l *Lexicon) Near(channel string, forms []string) (text string, lists []string) {
	for _, form := range forms {
		if text != "" && len(form) >= len(text) || len(form) > nearText*utf8.UTFMax || utf8.RuneCountInString(form) > nearText {
			continue
		}
		var near []meaning
		near = l.holds(near, form)
		near = l.near.misspelt(near, form)
		if len(near) == 0 || telling(form) {
			continue
		}
		if listen := l.listening(channel, near); len(listen) > 0 {
			text, lists = form, listen
		}
	}
	return text, lists
}

// listening gives the ids of the lists that one of the meanings is for and that listen on a channel.
func (l *Lexicon) listening(channel string, near []meaning) (lists []string) {
	for i, list := range l.Account.Lists {
		if len(lists) < nearLists && list.Listens(channel) && slices.ContainsFunc(near, func(m meaning) bool { return m.list == i }) {
			lists = append(lists, list.ID)
		}
	}
	return lists
}

// holds adds what the stop words mean that stand in a sentence.
func (l *Lexicon) holds(near []meaning, form string) []meaning {
	if strings.Count(form, " ") >= nearSentence {
		return near
	}
	for start := 0; start < len(form); {
		end := start
		for range l.near.words {
			space := strings.IndexByte(form[end:], ' ')
			if space < 0 {
				end = len(form)
			} else {
				end += space
			}
			for _, m := range l.meanings[bare(form[start:end])] {
				if !m.optin {
					near = append(near, m)
				}
			}
			if end == len(form) {
				break
			}
			end++
		}
		space := strings.IndexByte(form[start:], ' ')
		if space < 0 {
			break
		}
		start += space + 1
	}
	return near
}

// bare gives words without what is around them, at once where that are letters of ASCII.
func bare(words string) string {
	isLetter := func(c byte) bool { return 'a' <= c && c <= 'z' }
	if n := len(words); n > 0 && isLetter(words[0]) && isLetter(words[n-1]) {
		return words
	}
	return strings.TrimFunc(words, outside)
}

// misspelt adds what the stop words mean that the whole text nearly is.
func (n nearWords) misspelt(near []meaning, form string) []meaning {
	var buffer [nearText]rune
	letters := buffer[:0]
	for _, r := range form {
		letters = append(letters, r)
	}
	mask := maskOf(letters)
	for length := max(nearOne, len(letters)-2); length <= len(letters)+2 && length < len(n.byLength); length++ {
		may := 1
		if length >= nearTwo {
			may = 2
		}
		for i := range n.byLength[length] {
			w := &n.byLength[length][i]
			if bits.OnesCount64(mask^w.mask) <= 2*may && distance(letters, w.letters) <= may {
				near = append(near, w.means...)
			}
		}
	}
	return near
}

// maskOf has a bit for each letter; a change of one letter changes two bits at most.
func maskOf(letters []rune) (mask uint64) {
	for _, r := range letters {
		mask |= 1 << (r & 63)
	}
	return mask
}

// distance counts the letters that are missing, added or others, and the neighbours that changed places, between two texts of
// at most nearText letters (optimal string alignment).
func distance(a, b []rune) int {
	var rows [3][nearText + 1]int
	before, last, now := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}

// telling says that a text may hold a number, an address or a link.
func telling(form string) bool {
	if strings.ContainsAny(form, "@/") || strings.ContainsFunc(form, unicode.IsNumber) {
		return true
	}
	for rest := form; ; {
		_, after, dot := strings.Cut(rest, ".")
		if !dot {
			return false
		}
		if next, _ := utf8.DecodeRuneInString(after); unicode.IsLetter(next) {
			return true
		}
		rest = after
	}
}
