package chat_test

import (
	"strings"
	"testing"

	"optgate/pipeline/chat"
)

func TestEmailsCountWithoutCaseInTheirDomain(t *testing.T) {
	f := func(text string, want chat.Identifier) {
		t.Helper()
		if got, err := chat.Email(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	f("ada@example.com", "email:ada@example.com")
	f(" Ada.L+x@EXAMPLE.Com ", "email:Ada.L+x@example.com")
	f("Ada <ada@example.com>", "")
	f("ada@", "")
	f("@example.com", "")
	f("ada", "")
	f("", "")
	f("a@b\r\nBcc: c@d", "")
	f(strings.Repeat("a", 250)+"@example.com", "")
}

func FuzzEmail(f *testing.F) {
	f.Add("ada@example.com")
	f.Add(`"a b"@example.com`)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := chat.Email(text)
		if err != nil {
			return
		}
		if again, err := chat.Email(id.Value()); err != nil || again != id {
			t.Errorf("%q becomes %q, which becomes %q (%v)", text, id, again, err)
		}
	})
}
