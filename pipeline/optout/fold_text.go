package optout

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxText is how many letters, digits and marks a text has at most that can be a keyword, whatever it folds to. Emoji,
// punctuation and white space around a word may be as many as a message holds.
const MaxText = 256

// longestText bounds the bytes of a text that is looked at: a message of Meta's has at most 4,096 code points.
const longestText = 4096 * utf8.UTFMax

// FoldText makes all writings of one word equal: compatibility forms (full-width, circled and styled letters), case in
// every language, accents, vowel marks of Arabic and Hebrew, tatweel, invisible marks and emoji do not count, nor does
// punctuation around the text, the width of white space in it, or which hyphen or apostrophe stands in it. It gives
// "" where nothing is left, and for texts over MaxText. Marks that spell, as the vowels of Indic scripts and the voicing of
// kana, stay.
func FoldText(text string) string {
	if len(text) > MaxText && wordy(text) {
		return ""
	}
	return fold(text)
}

// fold is FoldText for texts of any length.
func fold(text string) string {
	if folded, ok := foldASCII(text); ok {
		return folded
	}
	text = strings.ReplaceAll(dropEmoji(text), "´", "'") // it would be decomposed to a space

	for range 2 { // what case folding makes of a letter may have marks again
		text = strings.Map(keep, norm.NFKD.String(text))
		text = cases.Fold().String(text)
	}
	text = strings.Join(strings.Fields(norm.NFC.String(text)), " ")
	return strings.TrimFunc(text, outside)
}

// wordy says that a text is too long to be a keyword.
func wordy(text string) bool {
	if len(text) > longestText {
		return true
	}
	spelt := 0
	for _, r := range text {
		if !outside(r) {
			spelt++
		}
		if spelt > MaxText {
			return true
		}
	}
	return false
}

// foldASCII folds as FoldText does what holds nothing but ASCII, as most texts do, some ten times faster.
func foldASCII(text string) (folded string, ok bool) {
	var b strings.Builder
	b.Grow(len(text))
	spaced := false
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			return "", false
		case c == ' ' || c >= '\t' && c <= '\r':
			spaced = b.Len() > 0
			continue
		case c < ' ' || c == 0x7f:
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '`':
			c = '\''
		}
		if spaced {
			b.WriteByte(' ')
			spaced = false
		}
		b.WriteByte(c)
	}
	return strings.TrimFunc(b.String(), outside), true
}

// keep gives what a decomposed rune is worth: itself, a space, or -1 for nothing.
func keep(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z': // as most are
		return r
	case r == 'ı': // Turkish, the small I without its dot
		return 'i'
	case unicode.IsSpace(r), unicode.Is(emoji, r):
		return ' '
	case strings.ContainsRune("’‘‛ʼʹʻʽ′`", r):
		return '\''
	case unicode.Is(unicode.Pd, r), r == '−': // hyphens, dashes and minus
		return '-'
	case r == 'ـ', unicode.In(r, unicode.Cf, unicode.Cc, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		return -1
	case r == 0x3099 || r == 0x309A: // voicing of kana
		return r
	case unicode.In(r, unicode.Mn, unicode.Me) &&
		unicode.In(r, unicode.Inherited, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Arabic, unicode.Hebrew):
		return -1
	}
	return r
}

// outside says that a rune around a word is no part of it.
func outside(r rune) bool { return !unicode.In(r, unicode.Letter, unicode.Number, unicode.Mark) }

// dropEmoji puts a space in place of each emoji. It runs before the text is decomposed, since a keycap would leave its
// digit and some signs their letters.
func dropEmoji(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r == keycap || unicode.Is(emoji, r) }) {
		return text
	}
	runes := []rune(text)
	for i, r := range runes {
		switch {
		case r == keycap:
			blankKeycap(runes, i)
		case unicode.Is(emoji, r):
			runes[i] = ' '
		}
	}
	return string(runes)
}

const (
	keycap       = 0x20E3
	emojiVariant = 0xFE0F
)

// blankKeycap blanks the keycap at i with the digit, hash or star that it encloses.
func blankKeycap(runes []rune, i int) {
	runes[i] = ' '
	if i > 0 && runes[i-1] == emojiVariant {
		i--
		runes[i] = ' '
	}
	if i > 0 && strings.ContainsRune("0123456789#*", runes[i-1]) {
		runes[i-1] = ' '
	}
}

// emoji are the pictures of Unicode with the signs that are drawn as emoji, flags, skin tones and the tags of regional
// flags, without the enclosed letters that people write words with.
var emoji = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x203C, Hi: 0x203C, Stride: 1},
		{Lo: 0x2049, Hi: 0x2049, Stride: 1},
		{Lo: 0x2122, Hi: 0x2122, Stride: 1},
		{Lo: 0x2139, Hi: 0x2139, Stride: 1},
		{Lo: 0x2190, Hi: 0x21FF, Stride: 1},
		{Lo: 0x2300, Hi: 0x23FF, Stride: 1},
		{Lo: 0x25A0, Hi: 0x27BF, Stride: 1},
		{Lo: 0x2900, Hi: 0x297F, Stride: 1},
		{Lo: 0x2B00, Hi: 0x2BFF, Stride: 1},
		{Lo: 0x3030, Hi: 0x3030, Stride: 1},
		{Lo: 0x303D, Hi: 0x303D, Stride: 1},
		{Lo: 0x3297, Hi: 0x3297, Stride: 1},
		{Lo: 0x3299, Hi: 0x3299, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1F000, Hi: 0x1F0FF, Stride: 1},
		{Lo: 0x1F18E, Hi: 0x1F18E, Stride: 1},
		{Lo: 0x1F191, Hi: 0x1F19A, Stride: 1},
		{Lo: 0x1F1E6, Hi: 0x1F1FF, Stride: 1},
		{Lo: 0x1F200, Hi: 0x1FAFF, Stride: 1},
		{Lo: 0xE0020, Hi: 0xE007F, Stride: 1},
	},
}
