package chat

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"optgate/pipeline/fault"
)

// Phone reads a phone in any usual writing and gives its canonical identifier: E.164 digits, with the variants of one
// number (see variants) made one. Digits alone and no default country are read as Meta shows a phone: with the country
// code and without the plus; then any 5 to 15 digits are taken, since what Meta delivers must never be lost over a
// country's plan of numbers. Everything else must be a possible number; the error (fault.Unprocessable, code
// "invalid_number") says why it isn't and never repeats it.
func Phone(text, defaultCountry string) (Identifier, error) {
	number, err := readPhone(text, defaultCountry)
	if err != nil {
		return "", err
	}
	return Identifier(KindPhone + ":" + number.canonical()), nil
}

// BSUID reads Meta's business-scoped user id, or a parent one: two capital letters of the country, a dot, perhaps
// "ENT.", and up to 128 letters or digits. ok is false for anything else.
func BSUID(text string) (id Identifier, ok bool) {
	text = strings.TrimSpace(text)
	return Identifier(KindBSUID + ":" + text), isBSUID(text)
}

func isBSUID(text string) bool {
	if len(text) < 4 || !capital(text[0]) || !capital(text[1]) || text[2] != '.' {
		return false
	}
	rest := strings.TrimPrefix(text[3:], "ENT.")
	if len(rest) == 0 || len(rest) > 128 {
		return false
	}
	for i := range len(rest) {
		if c := rest[i]; (c < '0' || c > '9') && !capital(c) && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func capital(c byte) bool { return c >= 'A' && c <= 'Z' }

// ParseRecipient reads what a sender gives as a recipient: a BSUID, or a phone as Phone does. The error is Phone's.
func ParseRecipient(text, defaultCountry string) (Identifier, error) {
	if id, ok := BSUID(text); ok {
		return id, nil
	}
	return Phone(text, defaultCountry)
}

// Given gives how Meta is called for a recipient that ParseRecipient reads: a phone as a plus and the E.164 digits of
// the number as it was written, which for some countries is not the canonical one; a BSUID unchanged.
func Given(text, defaultCountry string) (string, error) {
	if id, ok := BSUID(text); ok {
		return id.Value(), nil
	}
	number, err := readPhone(text, defaultCountry)
	if err != nil {
		return "", err
	}
	return "+" + number.country + number.national, nil
}

// longestPhone bounds what is read as a phone, in bytes: digits of three bytes each with marks and spaces between them.
const longestPhone = 120

// phone is a number as it was written, without its trunk prefix. Where the country is not known it is "".
type phone struct{ country, national string }

func readPhone(text, defaultCountry string) (phone, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return phone{}, badNumber("The phone number is empty.")
	}
	if len(text) > longestPhone {
		return phone{}, badNumber("The phone number is too long.")
	}
	if number, ok := written(text); ok {
		return number, nil
	}
	asMeta := defaultCountry == "" && asShown(text)
	if asMeta {
		if number, ok := shown(text); ok {
			return number, nil
		}
	}
	text = strings.TrimPrefix(strings.Map(plain, text), "tel:")
	if extension.MatchString(text) {
		return phone{}, badNumber("A phone number here has no extension.")
	}
	asMeta = defaultCountry == "" && asShown(text)
	if strings.ContainsFunc(text, unicode.IsLetter) {
		return phone{}, badNumber("A phone number has no letters.")
	}
	if rest, ok := strings.CutPrefix(text, "00"); ok && !asMeta {
		text = "+" + rest
	}
	if asMeta {
		text = "+" + text
	}
	number, err := possible(text, strings.ToUpper(defaultCountry))
	if err != nil && asMeta {
		return phone{national: text[1:]}, nil
	}
	return number, err
}

// possible reads a number by its country's plan.
func possible(text, country string) (phone, error) {
	parsed, err := phonenumbers.Parse(text, country)
	switch {
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode) && !strings.HasPrefix(text, "+") && country == "":
		return phone{}, badNumber("The phone number needs its country code, as in +44: no default country is known here.")
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode):
		return phone{}, badNumber("No country has the country code of the phone number.")
	case errors.Is(err, phonenumbers.ErrTooShortAfterIDD), errors.Is(err, phonenumbers.ErrTooShortNSN):
		return phone{}, badNumber("The phone number is too short.")
	case errors.Is(err, phonenumbers.ErrNumTooLong):
		return phone{}, badNumber("The phone number is too long.")
	case err != nil:
		return phone{}, badNumber("That is no phone number.")
	case parsed.GetExtension() != "":
		return phone{}, badNumber("A phone number here has no extension.")
	}
	number := phone{strconv.Itoa(int(parsed.GetCountryCode())), phonenumbers.GetNationalSignificantNumber(parsed)}
	if number.national[0] == '0' && !stands(number) {
		return phone{}, badNumber("That is no phone number.")
	}
	if without := areas[number.country]; without != nil && without.MatchString(number.national) {
		return phone{}, badNumber("The phone number lacks its area code.")
	}
	switch phonenumbers.IsPossibleNumberWithReason(parsed) {
	case phonenumbers.IS_POSSIBLE:
		return number, nil
	case phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return phone{}, badNumber("The phone number lacks its area code.")
	case phonenumbers.INVALID_COUNTRY_CODE:
		return phone{}, badNumber("No country has the country code of the phone number.")
	case phonenumbers.TOO_SHORT:
		return phone{}, badNumber("The phone number is too short.")
	default:
		if number.canonical() != number.country+number.national {
			return number, nil // an old writing, too long for the plan of today
		}
		return phone{}, badNumber("The phone number is too long.")
	}
}

// stands says whether a number that begins with a zero is read again as itself: what its plan would take yet another zero
// from would be somebody else each time it is read.
func stands(number phone) bool {
	again, err := phonenumbers.Parse("+"+number.country+number.national, "")
	return err == nil && phonenumbers.GetNationalSignificantNumber(again) == number.national
}

// extension is what follows a number that rings behind a switchboard.
var extension = regexp.MustCompile(`[0-9)][\s.,;]*(?:ext(?:ension|n)?|x|#)[\s.:=]*[0-9]{1,8}$`)

// areas says of countries which national numbers lack the area that they can't be called without from elsewhere, where the
// plan of numbers alone would let them pass.
var areas = map[string]*regexp.Regexp{
	"54": regexp.MustCompile(`^15`),          // Argentina: mobiles as they are dialled within an area
	"55": regexp.MustCompile(`^[0-9]{8,9}$`), // Brazil
}

// variants lists the writings that are one and the same number, by country code and national digits, and the one that
// is canonical. The ledger rests on pseudonyms of canonical numbers: a row can be added for numbers that nobody has yet
// and none can be changed. Argentina's mobiles (+54 … 15 … is +54 9 …) are no row here: which digits are the area needs
// the plan's list of areas, so that phonenumbers reads them as +54 9 before this table is asked.
var variants = []struct {
	country string
	written *regexp.Regexp
	number  string
}{
	{"55", regexp.MustCompile(`^([1-9]{2})([6-9][0-9]{7})$`), "${1}9$2"},  // Brazil: mobiles before their ninth digit
	{"52", regexp.MustCompile(`^(?:1|01|0?4[45])([1-9][0-9]{9})$`), "$1"}, // Mexico: mobiles until 2019, and how they were dialled
}

// canonical gives the digits that all variants of a number share.
func (p phone) canonical() string {
	for _, v := range variants {
		if v.country == p.country && v.written.MatchString(p.national) {
			return p.country + v.written.ReplaceAllString(p.national, v.number)
		}
	}
	return p.country + p.national
}

// plain drops the invisible marks that come along when a number is copied from an address book, makes letters small, and
// gives digits of any script as ASCII's.
func plain(r rune) rune {
	if digit, ok := Digit(r); ok {
		return rune(digit)
	}
	if unicode.In(r, unicode.Cf, unicode.Cc, unicode.Mn) {
		return -1
	}
	return unicode.ToLower(r)
}

func badNumber(reason string) error {
	return fault.New(fault.Unprocessable, "invalid_number", "%s", reason)
}
