package ingress_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"optgate/gateway/ingress"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

func TestOpeningALinkChangesNothing(t *testing.T) {
	l := openLetterbox(t, nil)
	for _, method := range []string{"GET", "HEAD"} {
		status, body, header := l.do(t, method, l.link(t, ada), "", "")
		if status != 200 || header.Get("Content-Type") != "text/html; charset=utf-8" || (body == "") != (method == "HEAD") {
			t.Errorf("%s: %d %s %d bytes", method, status, header.Get("Content-Type"), len(body))
		}
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
		if status, _, header := l.do(t, method, l.link(t, ada), "", ""); status != 405 || header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: %d, Allow %q", method, status, header.Get("Allow"))
		}
	}
	if len(l.press.records()) != 0 {
		t.Error("somebody was opted out")
	}
}

func TestAnyPressOptsOut(t *testing.T) {
	const multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
	for name, f := range map[string]struct{ kind, body, rule string }{
		"a mail program's":       {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", "one-click"},
		"a mail program's parts": {"multipart/form-data; boundary=x", multipart, "one-click"},
		"the button":             {"application/x-www-form-urlencoded", "by=page", "page"},
		"nothing":                {"", "", "one-click"},
		"garbage":                {"application/json", "{\"%zz\x00", "one-click"},
	} {
		l := openLetterbox(t, nil)
		status, body, header := l.say(t, "POST", l.link(t, ada), f.kind, f.body)
		if status != 200 || header.Get("Location") != "" || header.Get("Set-Cookie") != "" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", name, status, header)
		}
		if !strings.Contains(body, "No more offers.\n&lt;i&gt;Bye&lt;/i&gt;") || strings.Contains(body, "<form") {
			t.Errorf("%s: the list's own words are not shown:\n%s", name, body)
		}
		all := l.changes(t)
		if len(all) != 1 {
			t.Fatalf("%s: %d changes", name, len(all))
		}
		c := all[0]
		want := optout.Mark{List: "offers", Channel: "wa", At: 1794300000123, Source: optout.SourceLink, Rule: f.rule, Feed: true}
		if !c.Out || c.Linked || c.Answer || c.Confirm != nil || len(c.Who) != 1 || c.Who[0].ID != ada.Who || c.Who[0].P != l.acme.Key.Pseudonym(ada.Who) ||
			len(c.Marks) != 1 || c.Marks[0] != want {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestAPressCoversWhatTheListCovers(t *testing.T) {
	l := openLetterbox(t, nil)
	for u, channel := range map[optout.Unsubscribe]string{
		{Who: ada.Who, List: "all", Channel: "wa"}:                    "*",
		{Who: ada.Who, List: "offers", Channel: "*"}:                  "*",
		{Who: "email:ada@example.com", List: "offers", Channel: "*"}:  "*",
		{Who: ada.Who, List: "offers", Channel: "of an earlier time"}: "of an earlier time",
	} {
		l.say(t, "POST", l.link(t, u), "", "")
		all := l.changes(t)
		last := all[len(all)-1]
		if m := last.Marks[0]; m.Channel != channel || m.List != u.List || m.Feed != (u.List == "offers") || last.Who[0].ID != u.Who {
			t.Errorf("%+v: %+v", u, last)
		}
	}
}

// TestASecondPressIsKeptToo: an opt-in that nobody has decided yet would otherwise win over it.
func TestASecondPressIsKeptToo(t *testing.T) {
	l := openLetterbox(t, nil)
	p := l.acme.Key.Pseudonym(ada.Who)
	key := optout.PersonKey("acme", p)
	entry := optout.Entry{List: "offers", Channel: "wa", Out: 1794200000000, Row: optout.NoRow}
	l.book.people[key] = optout.Person{ID: ada.Who, Entries: []optout.Entry{entry}}
	if _, body, _ := l.do(t, "GET", l.link(t, ada), "", ""); !strings.Contains(body, "They were stopped before") || strings.Contains(body, "<form") {
		t.Errorf("who is out already is asked again:\n%s", body)
	}
	for range 2 {
		if status, body, _ := l.say(t, "POST", l.link(t, ada), "", ""); status != 200 || !strings.Contains(body, "These messages are stopped") {
			t.Errorf("%d:\n%s", status, body)
		}
	}
	if n := len(l.changes(t)); n != 2 {
		t.Errorf("%d presses were kept", n)
	}
	// By another clock the person has opted in a moment from now. The press is later than that.
	entry.In = 1794300009999
	l.book.people[key] = optout.Person{ID: ada.Who, Entries: []optout.Entry{entry}}
	if _, body, _ := l.do(t, "GET", l.link(t, ada), "", ""); !strings.Contains(body, "<form") {
		t.Errorf("who is in is not asked:\n%s", body)
	}
	l.say(t, "POST", l.link(t, ada), "", "")
	if all := l.changes(t); all[2].Marks[0].At != 1794300010000 {
		t.Errorf("pressed at %d", all[2].Marks[0].At)
	}
	// Out on every channel is out here, and out elsewhere is not.
	l.book.people[key] = optout.Person{Entries: []optout.Entry{{List: "offers", Channel: "*", Out: 1}}}
	if _, body, _ := l.do(t, "GET", l.link(t, ada), "", ""); strings.Contains(body, "<form") {
		t.Error("who is out on every channel is asked again")
	}
	l.book.people[key] = optout.Person{Entries: []optout.Entry{{List: "offers", Channel: "wb", Out: 1}, {List: "all", Channel: "wa", Out: 1}}}
	if _, body, _ := l.do(t, "GET", l.link(t, ada), "", ""); !strings.Contains(body, "<form") {
		t.Error("who is out elsewhere is not asked")
	}
}

func TestAPressIsAnsweredOnceItIsKept(t *testing.T) {
	l := openLetterbox(t, nil)
	l.press.publish = func(context.Context) error { return fault.New(fault.Unavailable, "kafka_away", "Kafka is away.") }
	status, body, header := l.say(t, "POST", l.link(t, ada), "application/x-www-form-urlencoded", "by=page")
	if status != 503 || header.Get("Retry-After") == "" || !strings.Contains(body, "not in effect yet") || !strings.Contains(body, "Try again") {
		t.Errorf("%d %v\n%s", status, header, body)
	}
	l.book.away = fault.New(fault.NotCertain, "not_certain", "Nobody can know.")
	for _, method := range []string{"GET", "POST"} {
		if status, body, header := l.say(t, method, l.link(t, ada), "", ""); status != 503 || header.Get("Retry-After") == "" || !strings.Contains(body, "try again") {
			t.Errorf("%s: %d %v\n%s", method, status, header, body)
		}
	}
}

func TestAPressIsSmall(t *testing.T) {
	l := openLetterbox(t, nil)
	for _, size := range []int{4096, 4097, 1 << 20} {
		want := 200
		if size > 4096 {
			want = 413
		}
		if status, _, _ := l.say(t, "POST", l.link(t, ada), "text/plain", strings.Repeat("x", size)); status != want {
			t.Errorf("%d bytes: %d", size, status)
		}
	}
	if len(l.changes(t)) != 1 || l.counts.get("link too_large") != 2 || l.counts.get("link pressed") != 1 {
		t.Errorf("what was too long was kept, or counted so: %v", l.counts.of)
	}
}

// TestPressesLeaveRoomForWebhooks lets Kafka hang: then no more presses wait for it than may, and pages and webhooks go on.
func TestPressesLeaveRoomForWebhooks(t *testing.T) {
	const atOnce = 512
	l := openLetterbox(t, func(o *ingress.Options) { o.Keep = 20 * time.Second })
	entered, leave := make(chan struct{}, 2*atOnce), make(chan struct{})
	l.press.publish = func(context.Context) error { entered <- struct{}{}; <-leave; return nil }
	statuses := make(chan int, atOnce)
	for range atOnce {
		go func() {
			status := 0
			defer func() { statuses <- status }()
			status, _, _ = l.say(t, "POST", l.link(t, ada), "", "")
		}()
	}
	for range atOnce {
		<-entered
	}
	if status, _, header := l.say(t, "POST", l.link(t, ada), "", ""); status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("one more: %d", status)
	}
	if status, _, _ := l.say(t, "GET", l.link(t, ada), "", ""); status != 200 {
		t.Errorf("a page meanwhile: %d", status)
	}
	if status := l.deliver(t, "/webhooks/meta", secret, greeting); status != 200 {
		t.Errorf("a webhook meanwhile: %d", status)
	}
	close(leave)
	for range atOnce {
		if status := <-statuses; status != 200 {
			t.Errorf("a press was told %d", status)
		}
	}
	if status, _, _ := l.say(t, "GET", l.link(t, ada), "", ""); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

func TestLinksAreNotLogged(t *testing.T) {
	l := openLetterbox(t, nil)
	l.say(t, "POST", l.link(t, ada), "", "")
	l.do(t, "GET", "/u/velvet-otter", "", "")
	l.press.publish = func(context.Context) error { return errors.New("away") }
	l.say(t, "POST", l.link(t, ada), "", "")
	said := l.said.String()
	for _, personal := range []string{tokenOf(t, l.acme, ada), "velvet", "4477009", "offers"} {
		if strings.Contains(said, personal) {
			t.Errorf("%q stands in the log:\n%s", personal, said)
		}
	}
	if strings.Count(said, "\n") < 4 {
		t.Errorf("log:\n%s", said)
	}
}

// FuzzUnsubscribe: whatever the link, method and body, nothing panics, and only a whole link that is pressed opts out.
func FuzzUnsubscribe(f *testing.F) {
	acme := optout.Account{ID: "acme", Key: chat.Key("0123456789abcdef"), Lists: []optout.List{{ID: "offers", Name: "Offers"}}}
	whole := tokenOf(f, acme, ada)
	f.Add("/u/"+whole, "POST", "List-Unsubscribe=One-Click")
	f.Add("/u/"+whole, "GET", "")
	f.Add("/u/%"+whole, "POST", "by=page")
	f.Add("//u/AQRhY21l?x", "POST", "by=%zz")
	f.Fuzz(func(t *testing.T, path, method, body string) {
		press := &log{}
		b := &book{accounts: map[string]optout.Account{"acme": acme}}
		i := ingress.New(ingress.Options{
			Publisher: &log{}, Metrics: &counts{of: map[string]int{}}, Log: zerolog.Nop(),
			Unsubscribe: ingress.Unsubscribe{Accounts: b, States: b, Shards: two, Publisher: press, Directory: chat.NewDirectory(nil, nil)},
		})
		var rc fasthttp.RequestCtx
		rc.Request.Header.SetMethod(method)
		rc.Request.SetRequestURI(path)
		rc.Request.SetBodyStream(&reader{body}, len(body))
		i.Handle(t.Context(), &rc)
		meant := rc.IsPost() && string(rc.Path()) == "/u/"+whole && len(body) <= 4096
		if pressed := len(press.kept) > 0; pressed != meant || pressed && rc.Response.StatusCode() != 200 {
			t.Errorf("%s %q: %d, %d presses", method, path, rc.Response.StatusCode(), len(press.kept))
		}
	})
}
