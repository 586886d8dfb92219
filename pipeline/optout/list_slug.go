package optout

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxSlug bounds the readable part of a list's id.
const maxSlug = 40

// slug makes an id for a list of this name that no list of the account has or ever had: "Daily News" is daily-news, the
// next one of that name daily-news-2.
func (a Account) slug(name string) string {
	base := readable(name)
	for n := 1; ; n++ {
		id := base
		if n > 1 {
			id += "-" + strconv.Itoa(n)
		}
		if !reserved(id) && a.index(id) < 0 && !slices.Contains(a.Gone, id) {
			return id
		}
	}
}

// readable gives a name's letters and digits in lower-case ASCII, joined by "-"; "list" where there are none.
func readable(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(name) {
		switch {
		case unicode.Is(unicode.Mn, r): // what an accent leaves
			continue
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		default:
			gap = b.Len() > 0
			continue
		}
		if b.Len()+1 >= maxSlug {
			break
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "list"
	}
	return b.String()
}
