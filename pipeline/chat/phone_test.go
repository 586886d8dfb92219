package chat_test

import (
	"errors"
	"strings"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

func TestPhonesHaveOneCanonicalForm(t *testing.T) {
	for _, row := range []struct{ text, country, want string }{
		{"+447700900001", "", "447700900001"}, // Ofcom's range for dramas: in no plan, yet possible
		{"447700900001", "", "447700900001"},
		{"447700900001", "GB", "447700900001"},
		{"07700 900001", "GB", "447700900001"},
		{"07700 900001", "gb", "447700900001"},
		{"7700900001", "GB", "447700900001"},
		{"+44 (0)7700 900001", "", "447700900001"},
		{"0044 7700-900.001", "US", "447700900001"},
		{"00447700900001", "", "447700900001"},
		{"tel:+44-7700-900001", "", "447700900001"},
		{"\u202a+44 7700 900001\u202c", "", "447700900001"},
		{"+４４７７００９００００１", "", "447700900001"},
		{"+٤٤٧٧٠٠٩٠٠٠٠١", "", "447700900001"},
		{"٠٧٧٠٠ ٩٠٠٠٠١", "GB", "447700900001"},
		{"۰۷۷۰۰ ۹۰۰۰۰۱", "GB", "447700900001"},
		{"०७७०० ९००००१", "GB", "447700900001"},
		{"+৪৪৭৭০০৯০০০০১", "", "447700900001"},
		{"٤٤٧٧٠٠٩٠٠٠٠١", "", "447700900001"},
		{"０７７００　９００００１", "GB", "447700900001"},
		{"TEL:+447700900001", "", "447700900001"},
		{"(+44) 7700/900001", "", "447700900001"},
		{"+44–7700—900001", "", "447700900001"},
		{"011 44 7700 900001", "US", "447700900001"},
		{"8 912 345-67-89", "RU", "79123456789"},
		{"(631) 555-1181", "US", "16315551181"},
		{"+39 06 1234567", "", "39061234567"},

		{"+551187654321", "", "5511987654321"},
		{"551187654321", "", "5511987654321"},
		{"(11) 8765-4321", "BR", "5511987654321"},
		{"+5511987654321", "", "5511987654321"},
		{"+551132654321", "", "551132654321"}, // a landline has no ninth digit

		{"+55 (011) 8765-4321", "", "5511987654321"},
		{"0 15 11 98765-4321", "BR", "5511987654321"}, // by a carrier
		{"+55 11 5765-4321", "", "551157654321"},      // a landline too

		{"+5215512345678", "", "525512345678"},
		{"5215512345678", "", "525512345678"},
		{"+525512345678", "", "525512345678"},
		{"045 55 1234 5678", "MX", "525512345678"},
		{"55 1234 5678", "MX", "525512345678"},

		{"+54 9 11 1234 5678", "", "5491112345678"},
		{"5491112345678", "", "5491112345678"},
		{"+54 11 15 1234 5678", "", "5491112345678"},
		{"011 15 1234-5678", "AR", "5491112345678"},
		{"+54 3541 15 123456", "", "5493541123456"},
		{"+54 11 1234 5678", "", "541112345678"}, // a landline

		{"999123456789", "", "999123456789"}, // what Meta shows is taken, whatever the plans say
		{"4477009000011", "", "4477009000011"},
	} {
		got, err := chat.Phone(row.text, row.country)
		if err != nil || got != chat.Identifier("phone:"+row.want) {
			t.Errorf("Phone(%q, %q) = %q, %v; want phone:%s", row.text, row.country, got, err, row.want)
		}
	}
}

func TestWhatCannotBeAPhoneIsRefusedWithAReason(t *testing.T) {
	for _, row := range []struct{ text, country, reason string }{
		{"", "GB", "empty"},
		{"  ", "", "empty"},
		{"nobody", "GB", "letters"},
		{"+1 800 FLOWERS", "", "letters"},
		{"07700 900001", "", "country code"},
		{"+999 123456789", "", "country code"},
		{"+44 12", "", "short"},
		{"1", "GB", "no phone number"},
		{"+44 7700 9000011", "", "long"},
		{strings.Repeat("4", 200), "", "long"},
		{"+44 20 7946 0018;ext=5", "", "extension"},
		{"tel:+44-7700-900001;ext=5", "", "extension"},
		{"+44 7700 900001 ext. 12", "", "extension"},
		{"+44 7700 900001x5", "", "extension"},
		{"+44 7700 900001 #5", "", "extension"},
		{"tel:7700900001;phone-context=+44", "", "letters"},
		{"https://wa.me/447700900001", "", "letters"},
		{"4.47701E+11", "GB", "letters"}, // what a spreadsheet makes of a number
		{"555 1234", "US", "area code"},
		{"98765-4321", "BR", "area code"},
		{"15 1234 5678", "AR", "area code"},
		{"+54 15 1234 5678", "", "area code"},
		{"123", "GB", "short"},
		{"+1 555", "", "short"},
		{"447700900001", "US", "long"},
		{"07700 900001, 07700 900002", "GB", "no phone number"},
		{"*31#07700900001", "GB", "no phone number"},
		{"+", "GB", "no phone number"},
		{"1234", "", "country code"},
	} {
		got, err := chat.Phone(row.text, row.country)
		refusal, ok := errors.AsType[*fault.Error](err)
		if !ok || refusal.Kind != fault.Unprocessable || refusal.Code != "invalid_number" || !strings.Contains(refusal.Msg, row.reason) {
			t.Errorf("Phone(%q, %q) = %q, %v; want a refusal with %q", row.text, row.country, got, err, row.reason)
		}
	}
}

func TestBSUIDs(t *testing.T) {
	for text, want := range map[string]bool{
		"GB.90210000000000000101":        true,
		" US.13491208655302741918 ":      true,
		"GB.ENT.70210000000000000101":    true,
		"gb.90210000000000000101":        false,
		"GB.":                            false,
		"GB.ENT.":                        false,
		"GB.1/2":                         false,
		"447700900001":                   false,
		"GB." + strings.Repeat("1", 129): false,
	} {
		id, ok := chat.BSUID(text)
		if ok != want || ok && id != chat.Identifier("bsuid:"+strings.TrimSpace(text)) {
			t.Errorf("BSUID(%q) = %q, %v", text, id, ok)
		}
	}
	if id, err := chat.ParseRecipient("GB.90210000000000000101", "GB"); err != nil || id != "bsuid:GB.90210000000000000101" {
		t.Errorf("a BSUID as recipient: %q, %v", id, err)
	}
	if id, err := chat.ParseRecipient("07700 900001", "GB"); err != nil || id != "phone:447700900001" {
		t.Errorf("a phone as recipient: %q, %v", id, err)
	}
}

func TestMetaIsCalledWithTheNumberAsGiven(t *testing.T) {
	for text, want := range map[string]string{
		"+55 11 8765-4321":        "+551187654321",
		"+52 1 55 1234 5678":      "+5215512345678",
		"+44 7700 900001":         "+447700900001",
		"999123456789":            "+999123456789",
		"GB.90210000000000000101": "GB.90210000000000000101",
	} {
		if got, err := chat.Given(text, ""); err != nil || got != want {
			t.Errorf("Given(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := chat.Given("nobody", "GB"); err == nil {
		t.Error("nobody was given a number")
	}
}

// FuzzPhone holds that a canonical phone is digits, and that reading it again gives it again.
func FuzzPhone(f *testing.F) {
	for _, text := range []string{"+447700900001", "07700 900001", "+55 11 8765 4321", "+5215512345678", "+54 11 15 1234 5678", "x"} {
		f.Add(text, "GB")
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, country string) {
		id, err := chat.Phone(text, country)
		if err != nil {
			return
		}
		if id.Kind() != chat.KindPhone || strings.Trim(id.Value(), "0123456789") != "" || len(id.Value()) > 18 || len(id.Value()) < 4 {
			t.Fatalf("Phone(%q, %q) = %q", text, country, id)
		}
		if again, err := chat.Phone(id.Value(), ""); err != nil && len(id.Value()) <= 15 || err == nil && again != id {
			t.Fatalf("Phone(%q, %q) = %q, and read again %q, %v", text, country, id, again, err)
		}
	})
}
