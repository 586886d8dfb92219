package chat

import (
	"strings"
	"sync"
)

// trunks gives, by country code, the digits that a national number can't begin with where it is read as it stands: that of
// the trunk prefix, which a plan of numbers takes away ("0" in nearly all), and of whatever else its plan rewrites. Countries
// whose plans need more than the first digit are no row, as Argentina. Phone asks phonenumbers about all that is not in here;
// a test compares the two over every row.
var trunks = map[string]string{
	"1": "01", "7": "08",
	"20": "0", "27": "0", "30": "0", "31": "0", "32": "0", "33": "0", "34": "0", "39": "0",
	"40": "0", "41": "0", "43": "0", "44": "01", "45": "0", "46": "0", "47": "0", "48": "0", "49": "0",
	"51": "0", "52": "0", "55": "09", "56": "0", "57": "0", "58": "0",
	"60": "0", "61": "01", "62": "0", "63": "0", "64": "0", "65": "0", "66": "0",
	"84": "0", "90": "0", "91": "0", "92": "0", "94": "0", "95": "0",
	"212": "0", "213": "0", "216": "0", "221": "0", "225": "0", "233": "0", "234": "0", "237": "0", "243": "0", "249": "0",
	"251": "0", "254": "0", "255": "0", "256": "0", "260": "0", "263": "0", "351": "0", "353": "0", "380": "0", "420": "0",
	"502": "0", "503": "0", "504": "0", "505": "0", "507": "0", "591": "0", "593": "0", "595": "0", "598": "0",
	"852": "0", "855": "0", "880": "0", "961": "0", "962": "0", "964": "0", "965": "0", "966": "0", "967": "0", "968": "0",
	"971": "0", "972": "0", "973": "0", "974": "0", "977": "0", "994": "0", "995": "0", "998": "0",
}

// shown reads a phone as Meta shows nearly all of them: country code and national number, nothing to take away from
// either. That is many times faster than to ask the plan, and comes to the same. ok is false where it needs the plan.
func shown(text string) (number phone, ok bool) {
	if !asShown(text) {
		return phone{}, false
	}
	for n := 1; n <= 3; n++ {
		if trunk, known := trunks[text[:n]]; known {
			number = phone{country: text[:n], national: text[n:]}
			return number, strings.IndexByte(trunk, number.national[0]) < 0
		}
	}
	return phone{}, false
}

// written reads a plus and what shown reads, where its length is one that its country's plan has: files are full of these. ok
// is false where it needs the plan.
func written(text string) (number phone, ok bool) {
	digits, plus := strings.CutPrefix(text, "+")
	if !plus {
		return phone{}, false
	}
	number, ok = shown(digits)
	return number, ok && lengths()[number.country]&(1<<len(number.national)) != 0
}

// lengths gives, by country code, a bit for each length that a national number has in its plan. The plan is asked once: but for
// what trunks knows, the length alone decides.
var lengths = sync.OnceValue(func() map[string]uint {
	const national = "222222222222222" // with a digit that no trunk is
	all := make(map[string]uint, len(trunks))
	for country := range trunks {
		for n := 1; n <= len(national); n++ {
			if _, err := possible("+"+country+national[:n], ""); err == nil {
				all[country] |= 1 << n
			}
		}
	}
	return all
})

// asShown says whether text is 5 to 15 digits of which the first is no zero.
func asShown(text string) bool {
	if len(text) < 5 || len(text) > 15 || text[0] == '0' {
		return false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
