package ingress_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"optgate/gateway/ingress"
	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

func TestThePageExplainsInPlainWords(t *testing.T) {
	l := openLetterbox(t, func(o *ingress.Options) {
		o.Unsubscribe.Sender, o.Unsubscribe.Support = "Acme & Sons", "help@acme.example"
	})
	for _, f := range []struct {
		u    optout.Unsubscribe
		want []string
	}{
		{ada, []string{"Acme &amp; Sons", "the number ending in 01", "on WhatsApp", "Offers &lt;b&gt;&amp;", "Sales &amp; &#34;news&#34;",
			`<form method="post">`, `<button type="submit">Stop these messages</button>`, `lang="en"`, `href="mailto:help@acme.example"`}},
		{optout.Unsubscribe{Who: "email:ada.l@example.com", List: "all", Channel: "*"}, []string{"the address a…@example.com", "on every channel", "<bdi>الكل</bdi>"}},
		{optout.Unsubscribe{Who: "email:éa@example.com", List: "all", Channel: "*"}, []string{"the address é…@example.com"}},
		{optout.Unsubscribe{Who: "bsuid:GB.90210000000000000101", List: "offers", Channel: "shut"}, []string{"the user ID ending in 01", "on the channel that the link came by"}},
		{optout.Unsubscribe{Who: ada.Who, List: "all", Channel: "wa"}, []string{"on every channel"}}, // as the list covers all
	} {
		_, body, _ := l.do(t, "GET", l.link(t, f.u), "", "")
		for _, want := range f.want {
			if !strings.Contains(body, want) {
				t.Errorf("%+v: no %q in\n%s", f.u, want, body)
			}
		}
		for _, hidden := range []string{"447700900", "ada.l", "GB.9021", "<b>", "<script", "src="} {
			if strings.Contains(body, hidden) {
				t.Errorf("%+v shows %q", f.u, hidden)
			}
		}
	}
	l = openLetterbox(t, func(o *ingress.Options) { o.Unsubscribe.Support = "https://acme.example/help?a=1&b=2" })
	if _, body, _ := l.do(t, "GET", l.link(t, ada), "", ""); !strings.Contains(body, "<bdi>acme</bdi>") || !strings.Contains(body, `href="https://acme.example/help?a=1&amp;b=2"`) {
		t.Errorf("without a name:\n%s", body)
	}
}

func TestWhatIsNoLinkIsTold(t *testing.T) {
	l := openLetterbox(t, nil)
	token := tokenOf(t, l.acme, ada)
	stranger := tokenOf(t, optout.Account{ID: "stranger", Key: l.acme.Key}, ada)
	erased := tokenOf(t, optout.Account{ID: "erased", Key: l.acme.Key}, ada)
	forged := tokenOf(t, optout.Account{ID: "acme", Key: chat.Key("fedcba9876543210")}, ada)
	deleted := tokenOf(t, l.acme, optout.Unsubscribe{Who: ada.Who, List: "winter", Channel: "wa"})
	for name, f := range map[string]struct {
		token  string
		status int
		says   string
	}{
		"nothing":             {"", 404, "not known"},
		"garbage":             {"velvet-otter", 404, "not known"},
		"a path":              {token + "/more", 404, "not known"},
		"escaped garbage":     {"%00%ff%2e%2e%2f", 404, "not known"},
		"cut off":             {token[:len(token)-1], 404, "not known"},
		"longer than any":     {strings.Repeat("A", 5000), 404, "not known"},
		"forged":              {forged, 404, "not known"},
		"nobody's":            {stranger, 410, "sender no longer exists"},
		"an erased account's": {erased, 410, "sender no longer exists"},
		"a deleted list's":    {deleted, 410, "list no longer exists"},
	} {
		for _, method := range []string{"GET", "POST"} {
			status, body, header := l.say(t, method, "/u/"+f.token, "", "")
			if status != f.status || !strings.Contains(body, f.says) || strings.Contains(body, "<form") || header.Get("X-Robots-Tag") == "" {
				t.Errorf("%s of %s: %d %v\n%s", method, name, status, header, body)
			}
		}
	}
	if status, _, _ := l.do(t, "GET", "/u", "", ""); status != 404 {
		t.Errorf("/u: %d", status)
	}
	if len(l.press.records()) != 0 {
		t.Error("somebody was opted out")
	}
}

func TestPagesLoadNothingAndAreKeptByNobody(t *testing.T) {
	l := openLetterbox(t, nil)
	for _, path := range []string{l.link(t, ada), "/u/velvet-otter"} {
		_, body, header := l.do(t, "GET", path, "", "")
		_, style, _ := strings.Cut(body, "<style>")
		style, _, _ = strings.Cut(style, "</style>")
		sum := sha256.Sum256([]byte(style))
		policy := header.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'",
		} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: no %s in %s", path, part, policy)
			}
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		} {
			if header.Get(name) != want {
				t.Errorf("%s: %s: %q", path, name, header.Get(name))
			}
		}
		if strings.Contains(body, "style=") || len(style) < 100 {
			t.Errorf("%s: a style that the policy doesn't know", path)
		}
	}
}
