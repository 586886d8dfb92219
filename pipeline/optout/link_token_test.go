package optout_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

func sealer(t testing.TB, account, key string) *optout.LinkSealer {
	t.Helper()
	s, err := optout.NewLinkSealer(account, chat.Key(key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *optout.LinkSealer, u optout.Unsubscribe) string {
	t.Helper()
	token, err := s.Seal(u)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var leaving = optout.Unsubscribe{Who: "phone:447700900101", List: "offers", Channel: "wa"}

// TestALinkIsReadForEver pins the form of tokens: those in mails that were sent long ago must open.
func TestALinkIsReadForEver(t *testing.T) {
	const sent = "AQRhY21luRa7ck8bIphye4ekhA-ElbykcKj2cPLllYcCLUML4HiNcihKvDS3h6-UoBYapS_QUviXyqVt7SY"
	s := sealer(t, "acme", "0123456789abcdef")
	if token := seal(t, s, leaving); token != sent {
		t.Errorf("the token is now %s", token)
	}
	if u, ok := s.Open(sent); !ok || u != leaving {
		t.Errorf("%+v, %v", u, ok)
	}
}

func TestALinkOpensToWhatWasSealed(t *testing.T) {
	id := rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`)
	rapid.Check(t, func(t *rapid.T) {
		u := optout.Unsubscribe{
			Who:     chat.Identifier(rapid.StringN(1, 200, 259).Draw(t, "who")),
			List:    id.Draw(t, "list"),
			Channel: rapid.OneOf(rapid.Just("*"), id).Draw(t, "channel"),
		}
		account := id.Draw(t, "account")
		s, err := optout.NewLinkSealer(account, chat.Key("0123456789abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.Seal(u)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := s.Seal(u)
		if named, ok := optout.LinkAccount(token); !ok || named != account || again != token {
			t.Errorf("account %q, %v; sealed again: %v", named, ok, again == token)
		}
		if opened, ok := s.Open(token); !ok || opened != u {
			t.Errorf("%+v opened to %+v, %v", u, opened, ok)
		}
	})
}

func TestAnyOtherCharacterIsRefused(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	s := sealer(t, "acme", "0123456789abcdef")
	token := seal(t, s, leaving)
	if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(token) {
		t.Errorf("a token that URLs would change: %s", token)
	}
	for i := range len(token) {
		for _, c := range alphabet + "=+/ .\n\r\x00%é" {
			if string(c) == token[i:i+1] {
				continue
			}
			if u, ok := s.Open(token[:i] + string(c) + token[i+1:]); ok {
				t.Fatalf("with %q at %d it opens to %+v", c, i, u)
			}
		}
		for name, changed := range map[string]string{
			"cut off": token[:i], "cut out": token[:i] + token[i+1:], "broken": token[:i] + "\n" + token[i:], "doubled": token[:i+1] + token[i:],
		} {
			if u, ok := s.Open(changed); ok {
				t.Fatalf("%s at %d it opens to %+v", name, i, u)
			}
		}
	}
	for _, more := range []string{"=", "==", "A", "AAAA", "\n", " "} {
		if _, ok := s.Open(token + more); ok {
			t.Errorf("with %q behind it opens", more)
		}
	}
}

func TestALinkIsItsAccountsAlone(t *testing.T) {
	token := seal(t, sealer(t, "acme", "0123456789abcdef"), leaving)
	for name, other := range map[string]*optout.LinkSealer{
		"another account with the same key": sealer(t, "bravo", "0123456789abcdef"),
		"the same account with another key": sealer(t, "acme", "fedcba9876543210"),
	} {
		if u, ok := other.Open(token); ok {
			t.Errorf("%s opens it to %+v", name, u)
		}
	}
	// The name in clear can't be exchanged either: it is sealed with the rest.
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	copy(raw[2:], "acmf")
	if u, ok := sealer(t, "acmf", "0123456789abcdef").Open(base64.RawURLEncoding.EncodeToString(raw)); ok {
		t.Errorf("under another name it opens to %+v", u)
	}
}

func TestALinkShowsNobody(t *testing.T) {
	s := sealer(t, "acme", "0123456789abcdef")
	token := seal(t, s, leaving)
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	for _, personal := range []string{"4477", "0101", "phone", "offers"} {
		if strings.Contains(token, personal) || strings.Contains(string(raw), personal) {
			t.Errorf("%q stands in it", personal)
		}
	}
	seen := map[string]bool{token: true}
	for _, other := range []optout.Unsubscribe{
		{Who: "phone:447700900102", List: "offers", Channel: "wa"},
		{Who: leaving.Who, List: "offer", Channel: "swa"}, // the same letters, cut elsewhere
		{Who: leaving.Who, List: "offers", Channel: "*"},
	} {
		one := seal(t, s, other)
		if seen[one] {
			t.Errorf("%+v has another's link", other)
		}
		seen[one] = true
	}
}

func TestWhatIsNoLinkIsNotSealed(t *testing.T) {
	s := sealer(t, "acme", "0123456789abcdef")
	long := strings.Repeat("x", 256)
	for _, u := range []optout.Unsubscribe{
		{List: "offers", Channel: "wa"}, {Who: leaving.Who, Channel: "wa"}, {Who: leaving.Who, List: "offers"},
		{Who: leaving.Who, List: long, Channel: "wa"}, {Who: leaving.Who, List: "offers", Channel: long},
		{Who: chat.Identifier(strings.Repeat("x", 1024)), List: "offers", Channel: "wa"},
	} {
		if token, err := s.Seal(u); err == nil {
			t.Errorf("%.60v became %s", u, token)
		}
	}
	for _, account := range []string{"", long} {
		if _, err := optout.NewLinkSealer(account, chat.Key("0123456789abcdef")); err == nil {
			t.Errorf("an account of %d bytes has links", len(account))
		}
	}
	if _, err := optout.NewLinkSealer("acme", nil); err == nil {
		t.Error("an account without a key has links")
	}
}

// FuzzOpenLink holds that whatever stands in a URL, nothing opens but what was sealed, in its one spelling.
func FuzzOpenLink(f *testing.F) {
	s := sealer(f, "acme", "0123456789abcdef")
	f.Add(seal(f, s, leaving))
	f.Add("")
	f.Add("AQRhY21l")
	f.Add("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		_, named := optout.LinkAccount(token)
		u, ok := s.Open(token)
		if !ok {
			return
		}
		if again, err := s.Seal(u); err != nil || again != token || !named {
			t.Errorf("%q opens to %+v, which seals to %q", token, u, again)
		}
	})
}

func BenchmarkSealLink(b *testing.B) {
	s := sealer(b, "acme", "0123456789abcdef")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Seal(leaving); err != nil {
			b.Fatal(err)
		}
	}
}
