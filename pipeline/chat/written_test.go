package chat_test

import (
	"errors"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

func TestAnyIdentifierIsReadAsPeopleWriteIt(t *testing.T) {
	for _, row := range []struct {
		text, country string
		looked, typed chat.Identifier // "": refused
	}{
		{"07700 900001", "GB", "phone:447700900001", "phone:447700900001"},
		{"phone:447700900001", "", "phone:447700900001", "phone:447700900001"},
		{" GB.9021 ", "", "bsuid:GB.9021", "bsuid:GB.9021"},
		{"bsuid:GB.ENT.1", "", "bsuid:GB.ENT.1", "bsuid:GB.ENT.1"},
		{"bsuid:gb.1", "", "", ""},
		{"Ada@EXAMPLE.com", "GB", "email:Ada@example.com", "email:Ada@example.com"},
		{"email:ada@example.com", "", "email:ada@example.com", "email:ada@example.com"},
		{"email:ada", "", "", ""},
		{"psid:12/34", "", "psid:12/34", "psid:12/34"},
		{"igsid:12/34", "", "igsid:12/34", "igsid:12/34"},
		{"psid:12", "", "", ""},
		{"psid:12/3/4", "", "", ""},
		{"psid:/", "", "", ""},
		{"+999123456789", "", "phone:999123456789", ""}, // Meta is taken at its word, nobody else
		{"999123456789", "", "phone:999123456789", ""},
		{"12345", "", "phone:12345", ""},
		{"+44 12", "", "", ""},
		{"", "", "", ""},
	} {
		f := func(name string, read func(text, country string) (chat.Identifier, error), want chat.Identifier) {
			t.Helper()
			got, err := read(row.text, row.country)
			if got != want || (err == nil) != (want != "") {
				t.Errorf("%s(%q, %q) = %q, %v", name, row.text, row.country, got, err)
			}
			if _, ok := errors.AsType[*fault.Error](err); err != nil && !ok {
				t.Errorf("%s(%q): %v has no words for people", name, row.text, err)
			}
		}
		f("ParseIdentifier", chat.ParseIdentifier, row.looked)
		f("ParseTyped", chat.ParseTyped, row.typed)
	}
	if _, err := chat.ParseTo("ada@example.com", ""); err == nil {
		t.Error("an e-mail is read where none belongs")
	}
	for text, want := range map[string]bool{"GB": true, "gb": true, "XX": false, "": false, "GBR": false, "G": false} {
		if chat.IsCountry(text) != want {
			t.Errorf("IsCountry(%q) is not %v", text, want)
		}
	}
}

// FuzzIdentifier holds that whoever is shown is found again by what is shown.
func FuzzIdentifier(f *testing.F) {
	for _, text := range []string{"+447700900001", "psid:1/2", "Ada@Example.com", "GB.1", "email:x@y", "٠٧٧٠٠٩٠٠٠٠١", "54 15 1234"} {
		f.Add(text, "GB")
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, country string) {
		id, err := chat.ParseIdentifier(text, country)
		if err != nil {
			return
		}
		if again, err := chat.ParseIdentifier(id.Shown(), ""); (err != nil || again != id) && len(id.Shown()) <= 16 {
			t.Errorf("%q is %q, shown as %q, which is %q (%v)", text, id, id.Shown(), again, err)
		}
	})
}

func TestDigitsOfAllScripts(t *testing.T) {
	for r, want := range map[rune]byte{'0': '0', '9': '9', '٠': '0', '۹': '9', '५': '5', '７': '7', '𝟘': '0', '𝟡': '9', '𞥐': '0'} {
		if got, ok := chat.Digit(r); got != want || !ok {
			t.Errorf("%c is %c, %v", r, got, ok)
		}
	}
	for _, r := range "a½²Ⅷ一 " {
		if _, ok := chat.Digit(r); ok {
			t.Errorf("%c is a digit", r)
		}
	}
}
