package ingress

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
)

//go:embed unsubscribe.html
var pageText string

// page is one answer to a browser.
type page struct {
	Title string
	Says  []string // paragraphs

	Sender, Who, Where, List, Description string // what the link is for; List is "" where nobody may know
	Ask, Done, Before, Retry              bool   // what it offers or tells
	Confirmation                          string // the list's own words
	Support, SupportURL                   string
}

// pages writes pages.
type pages struct {
	template *template.Template
	policy   string // Content-Security-Policy
}

// newPages prepares the page. Nothing may be loaded or run in it but its own style, and it may send only to where it came
// from.
func newPages() pages {
	p := pages{template: template.Must(template.New("page").Parse(pageText))}
	_, style, _ := strings.Cut(string(p.write(page{})), "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	p.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return p
}

func (p pages) write(what page) []byte {
	var text bytes.Buffer
	if err := p.template.Execute(&text, what); err != nil {
		panic(err) // the template is ours, and a buffer takes everything
	}
	return text.Bytes()
}

// answer gives a page that nobody keeps, finds by a search, shows in a frame or learns of by a link.
func (p pages) answer(rc *fasthttp.RequestCtx, status int, what page) {
	h := &rc.Response.Header
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	if status == fasthttp.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	rc.SetStatusCode(status)
	rc.SetContentType("text/html; charset=utf-8")
	rc.SetBody(p.write(what))
}

// masked tells whom a link is for to who knows it anyway, and to nobody else: the end of a number or id, or the first letter
// of an e-mail address and its domain.
func masked(id chat.Identifier) string {
	value := id.Value()
	if id.Kind() == chat.KindEmail {
		at := strings.LastIndexByte(value, '@')
		first, _ := utf8.DecodeRuneInString(value)
		return "the address " + string(first) + "…" + value[max(at, 0):]
	}
	end := value[max(0, len(value)-2):]
	if id.Kind() == chat.KindPhone {
		return "the number ending in " + end
	}
	return "the user ID ending in " + end
}

// where names a channel to people.
func where(c chat.Channel, id string) string {
	switch {
	case id == chat.AnyChannel:
		return "on every channel"
	case c.Kind == chat.WhatsApp:
		return "on WhatsApp"
	case c.Kind == chat.Messenger:
		return "on Messenger"
	case c.Kind == chat.Instagram:
		return "on Instagram"
	}
	return "on the channel that the link came by"
}

// unknown is shown for what no link of ours looks like.
func unknown() page {
	return page{Title: "This link is not known", Says: []string{
		"It may have been cut off or changed on its way. Please open it again from the message, whole.",
		"Nothing has been changed. Where you get WhatsApp messages, the answer STOP works too.",
	}}
}

// nobody is shown for links of an account that is there no more.
func nobody() page {
	return page{Title: "This sender no longer exists", Says: []string{"Nothing more is sent by it. There is nothing that you need to do."}}
}

// gone is shown for links to a deleted list.
func gone() page {
	return page{Title: "This list no longer exists", Says: []string{
		"Nothing is sent by it any more, and nothing is needed.",
		"Should you still get messages, please use the link in the newest one, or answer it with STOP.",
	}}
}

// later is shown where a press could not be kept, or nothing could be looked up.
func later(rc *fasthttp.RequestCtx) page {
	p := page{Title: "Please try again in a moment", Says: []string{"We could not look this up just now. Nothing has been changed yet."}}
	if rc.IsPost() {
		p.Says[0], p.Retry = "We could not keep your wish just now, so that it is not in effect yet.", true
	}
	return p
}

// unreadable is shown for a press that is none.
func unreadable() page {
	return page{Title: "This could not be read", Says: []string{"Please open the link again and press its button. Nothing has been changed."}}
}
