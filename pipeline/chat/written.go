package chat

import (
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"optgate/pipeline/fault"
)

// Typed reads a phone that a person typed, as Phone does, with one difference: digits alone must be a possible number too,
// since nobody but Meta is taken at its word.
func Typed(text, defaultCountry string) (Identifier, error) {
	if digits := strings.Map(plain, strings.TrimSpace(text)); defaultCountry == "" && asShown(digits) {
		text = "+" + digits
	}
	return Phone(text, defaultCountry)
}

// ParseIdentifier reads any identifier as a person writes it who looks for somebody: an e-mail address, a BSUID, a phone as
// Phone does, or one with its kind before it as Identifier has it ("psid:<page>/<id>"). A plus and digits are taken whatever
// the plans of numbers say, as Meta's are. Errors are fault.Unprocessable and never repeat the text.
func ParseIdentifier(text, defaultCountry string) (Identifier, error) {
	return parse(text, defaultCountry, func(text, defaultCountry string) (Identifier, error) {
		id, err := Phone(text, defaultCountry)
		if digits, ok := strings.CutPrefix(text, "+"); err != nil && ok && asShown(digits) {
			return Phone(digits, "")
		}
		return id, err
	})
}

// ParseTyped is ParseIdentifier for somebody who is to be put on a list: a phone is read as Typed does.
func ParseTyped(text, defaultCountry string) (Identifier, error) {
	return parse(text, defaultCountry, Typed)
}

// ParseTo is ParseTyped for a column or field that holds no e-mail addresses.
func ParseTo(text, defaultCountry string) (Identifier, error) {
	id, err := ParseTyped(text, defaultCountry)
	if err == nil && id.Kind() == KindEmail {
		return "", badNumber("An e-mail address belongs into email.")
	}
	return id, err
}

func parse(text, defaultCountry string, phone func(text, defaultCountry string) (Identifier, error)) (Identifier, error) {
	text = strings.TrimSpace(text)
	kind, value, named := strings.Cut(text, ":")
	if !named {
		kind = ""
	}
	switch kind {
	case KindPhone:
		return phone(value, defaultCountry)
	case KindEmail:
		return Email(value)
	case KindPSID, KindIGSID:
		if !scoped.MatchString(value) {
			return "", badIdentifier("A Messenger or Instagram id is written psid:PAGE/ID or igsid:ACCOUNT/ID.")
		}
		return Identifier(text), nil
	case KindBSUID:
		if id, ok := BSUID(value); ok {
			return id, nil
		}
		return "", badIdentifier("That is no business-scoped user id.")
	}
	if strings.Contains(text, "@") {
		return Email(text)
	}
	if id, ok := BSUID(text); ok {
		return id, nil
	}
	return phone(text, defaultCountry)
}

// scoped is an id of Messenger or Instagram with whose it is.
var scoped = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}/[A-Za-z0-9_.-]{1,128}$`)

func badIdentifier(reason string) error {
	return fault.New(fault.Unprocessable, "invalid_identifier", "%s", reason)
}

// IsCountry says whether a text is a country that phones can be read for: two letters of ISO 3166, in any case.
func IsCountry(text string) bool {
	return len(text) == 2 && phonenumbers.GetCountryCodeForRegion(strings.ToUpper(text)) != 0
}
