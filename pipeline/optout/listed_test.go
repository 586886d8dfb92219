package optout_test

import (
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

func TestASearchFindsAPartOfANumberInAnyWriting(t *testing.T) {
	f := func(text string, id chat.Identifier, want bool, countries ...string) {
		t.Helper()
		if got := optout.NewSearch(text, "", countries...).Finds(id, "wa"); got != want {
			t.Errorf("%q finds %s: %v", text, id, got)
		}
	}
	const ada = "phone:447700900001"
	for _, text := range []string{"", "07700 900", "7700-900", "+44 7700", "0044 77", "+44 (0)7700 900001", "900001", "0001", "tel:+44-7700",
		"٠٧٧٠٠ ٩٠٠", "０７７００", "\u202a+44 77\u202c", "(07700)", "4"} {
		f(text, ada, true)
	}
	for _, text := range []string{"+7700", "0990", "0044 7701", "008", "99", "ada", "+44x"} {
		f(text, ada, false)
	}
	f("+55 11 8765-4321", "phone:5511987654321", true) // before its ninth digit
	f("(11) 8765-4321", "phone:5511987654321", true, "BR")
	f("EXAMPLE", "email:Ada@example.com", true)
	f("ada@", "email:Ada@example.com", true)
	f("007", "email:bond007@example.com", true)
	f("gb.9021", "bsuid:GB.9021", true)
	f("9021", "bsuid:GB.9021", true)
	if optout.NewSearch("", "wb").Finds(ada, "wa") || !optout.NewSearch("", "*").Finds(ada, "*") || optout.NewSearch("", "*").Everybody() {
		t.Error("a channel is not kept apart")
	}
}

func FuzzSearch(f *testing.F) {
	f.Add("+44 (0)7700 ٩٠٠", "wa")
	f.Fuzz(func(_ *testing.T, text, channel string) {
		s := optout.NewSearch(text, channel, "GB", "BR")
		for _, id := range []chat.Identifier{"phone:447700900001", "phone:1", "email:a@b.c", "bsuid:GB.1", ""} {
			s.Finds(id, channel)
		}
	})
}
