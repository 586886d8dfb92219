package picky_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/picky"
)

func parse(t *testing.T, body string) picky.Push {
	t.Helper()
	p, err := picky.ParsePush([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return p
}

func TestAPushBecomesMessagesAsTheCloudAPITakesThem(t *testing.T) {
	f := func(members, want string) {
		t.Helper()
		p := parse(t, `{"token":"x",`+members+`,"data":[{"number":"447700900001"}]}`)
		if diff := cmp.Diff(want, string(p.Message)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", members, diff)
		}
	}
	f(`"globalmessage":"Hi {{1}}"`, `{"text":{"body":"Hi {{1}}"},"type":"text"}`)
	f(`"globalmessage":12`, `{"text":{"body":"12"},"type":"text"}`)
	f(`"globalmessage":"Look","globalmedia":"https://x.example/a/B.JPG?s=1"`,
		`{"image":{"caption":"Look","link":"https://x.example/a/B.JPG?s=1"},"type":"image"}`)
	f(`"globalmedia":"https://x.example/a.mp4"`, `{"type":"video","video":{"link":"https://x.example/a.mp4"}}`)
	f(`"globalmessage":"unheard","globalmedia":"https://x.example/a.ogg"`, `{"audio":{"link":"https://x.example/a.ogg"},"type":"audio"}`)
	f(`"globalmedia":"https://x.example/a","voice":1`, `{"audio":{"link":"https://x.example/a"},"type":"audio"}`)
	f(`"globalmedia":"https://x.example/a.png","sticker":"1"`, `{"sticker":{"link":"https://x.example/a.png"},"type":"sticker"}`)
	f(`"globalmedia":"https://x.example/bill%207.pdf","globalmessage":"Your bill"`,
		`{"document":{"caption":"Your bill","filename":"bill 7.pdf","link":"https://x.example/bill%207.pdf"},"type":"document"}`)
	f(`"globalmedia":"http://x.example"`, `{"document":{"filename":"document","link":"http://x.example"},"type":"document"}`)
	f(`"template_id":"bar_offer","template_globalmessage":["Ada",7]`,
		`{"template":{"components":[{"parameters":[{"text":"Ada","type":"text"},{"text":"7","type":"text"}],"type":"body"}],"language":{"code":"en"},"name":"bar_offer"},"type":"template"}`)
	f(`"template_id":"t","language":"pt_BR","template_header":"Hello","globalmessage":"unsent"`,
		`{"template":{"components":[{"parameters":[{"text":"Hello","type":"text"}],"type":"header"}],"language":{"code":"pt_BR"},"name":"t"},"type":"template"}`)
	f(`"template_id":"t","globalmedia":"https://x.example/a.jpg"`,
		`{"template":{"components":[{"parameters":[{"image":{"link":"https://x.example/a.jpg"},"type":"image"}],"type":"header"}],"language":{"code":"en"},"name":"t"},"type":"template"}`)
	f(`"template_id":"t"`, `{"template":{"language":{"code":"en"},"name":"t"},"type":"template"}`)
	f(`"location":{"name":"Bar","address":"1 Road","lat":"51.5","long":-0.1}`,
		`{"location":{"address":"1 Road","latitude":51.5,"longitude":-0.1,"name":"Bar"},"type":"location"}`)
	f(`"contact":[{"name":{"formatted_name":"Ada"}}]`, `{"contacts":[{"name":{"formatted_name":"Ada"}}],"type":"contacts"}`)
}

func TestRowsOfAPush(t *testing.T) {
	p := parse(t, `{"application":"101","priority ":1,"globalmessage":"all","unknown":{"x":[1]},"data":[
		{"number":447700900001,"reference_number":5},
		{"number":"+447700900002","message":"own"},
		{"number":"447700900003","media":"https://x.example/a.jpg"},
		{"number":"07700900004"},{"number":"junk"},{"number":1e3}]}`)
	var got []string
	for _, r := range p.Recipients {
		got = append(got, fmt.Sprintf("%s %s %s", r.Given, r.To, r.Message))
	}
	want := []string{
		"447700900001 phone:447700900001 ",
		`+447700900002 phone:447700900002 {"text":{"body":"own"},"type":"text"}`,
		`447700900003 phone:447700900003 {"image":{"caption":"all","link":"https://x.example/a.jpg"},"type":"image"}`,
		"07700900004  ", "junk  ", "1e3  ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p.Application != 101 || !p.Priority {
		t.Errorf("%+v", p)
	}
	p = parse(t, `{"template_id":"t","language":"en","template_globalmessage":["all"],"data":[{"number":"447700900001"},
		{"number":"447700900002","template_message":["own"]},{"number":"447700900003","language":"de","message":"unsent"}]}`)
	for i, want := range []string{"", `"text":"own"`, `"code":"de"`} {
		if got := string(p.Recipients[i].Message); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("row %d: %s", i, got)
		}
	}
}

func TestPushesThatAreRefusedNameTheirFields(t *testing.T) {
	f := func(body string, kind fault.Kind, want ...string) {
		t.Helper()
		_, err := picky.ParsePush([]byte(body))
		var got []string
		if e, ok := errors.AsType[*fault.Error](err); ok {
			for _, field := range e.Fields {
				got = append(got, field.Field+" "+field.Code)
			}
		}
		if fault.KindOf(err) != kind || !slices.Equal(got, want) {
			t.Errorf("%.80s: %v %q", body, err, got)
		}
	}
	f(`{`, fault.Invalid)
	f(`[]`, fault.Invalid)
	f(`{"globalmessage":"x"}`, fault.Unprocessable, "data required")
	f(`{"data":[{"number":"447700900001"}]}`, fault.Unprocessable, "data[0].message required")
	f(`{"globalmessage":"x","data":[{}]}`, fault.Unprocessable, "data[0].number required")
	f(`{"globalmessage":"x","data":[{"number":["1"]}]}`, fault.Unprocessable, "data.number invalid")
	f(`{"globalmedia":"file:///etc/passwd","globalmedia_code":"AAAA","application":"x","data":[{"number":"447700900001","media_code":"AA"}]}`,
		fault.Unprocessable, "application invalid", "globalmedia_code media_code_unsupported", "globalmedia invalid_url", "data[0].media_code media_code_unsupported")
	f(`{"location":{"lat":"north"},"data":[{"number":"447700900001"}]}`, fault.Unprocessable, "location invalid")
	row := `,{"number":"447700900001"}`
	f(`{"globalmessage":"x","data":[`+strings.Repeat(row, picky.MaxNumbers)[1:]+`]}`, fault.Internal) // no error
	f(`{"globalmessage":"x","data":[`+strings.Repeat(row, picky.MaxNumbers+1)[1:]+`]}`, fault.TooLarge)
}

func TestOutcomesInPickysWords(t *testing.T) {
	f := func(status chat.Status, text string, want int, code, words string) {
		t.Helper()
		gotCode, gotWords := picky.Reason(status, text)
		if got := picky.StatusOf(status); got != want || gotCode != code || gotWords != words {
			t.Errorf("%s %q: %d %q %q", status, text, got, gotCode, gotWords)
		}
	}
	f(chat.Queued, "", 0, "", "")
	f(chat.Sent, "", 0, "", "")
	f(chat.Unknown, "No Answer", 0, "", "")
	f(chat.Delivered, "", 1, "", "")
	f(chat.Read, "", 3, "", "")
	f(chat.Skipped, "Optout Number", 2, "", "Optout Number")
	f(chat.Failed, "131026 Message undeliverable", 2, "131026", "Message undeliverable")
	f(chat.Failed, "Invalid Number", 2, "", "Invalid Number")
	f(chat.Expired, "", 2, "", "Expired")
	f(chat.Cancelled, "", 2, "", "Cancelled")
	if got := picky.Time(time.Date(2026, 11, 2, 15, 4, 0, 0, time.FixedZone("", 3600))); got != "02-11-2026 02:04 PM" {
		t.Error(got)
	}
}

func TestKindsOfMessages(t *testing.T) {
	f := func(message string, want picky.Kind) {
		t.Helper()
		if got := picky.KindOf([]byte(message)); got != want {
			t.Errorf("%s: %d", message, got)
		}
	}
	f(`{"type":"text"}`, picky.Text)
	f(`{"type":"image"}`, picky.Image)
	f(`{"type":"sticker"}`, picky.Image)
	f(`{"type":"video"}`, picky.Video)
	f(`{"type":"audio"}`, picky.Audio)
	f(`{"type":"document"}`, picky.Document)
	f(`{"type":"template","template":{"components":[{"type":"header","parameters":[{"type":"video"}]}]}}`, picky.Video)
	f(`{"type":"template","template":{"components":[{"type":"header","parameters":[{"type":"text"}]}]}}`, picky.Text)
	f(`{"type":"location"}`, picky.Text)
	f(`[`, picky.Text)
}

// FuzzParsePush: whatever comes is refused or understood, and what is understood can be written.
func FuzzParsePush(f *testing.F) {
	f.Add(`{"token":"x","application":101,"globalmessage":"Hi","data":[{"number":"447700900001","message":"x","media":"https://x.example/a.jpg"}]}`)
	f.Add(`{"template_id":"t","template_globalmessage":["a",1],"template_header":"h","priority ":1,"data":[{"number":447700900001,"template_message":null}]}`)
	f.Add(`{"location":{"lat":1,"long":2},"contact":[{}],"voice":1,"sticker":true,"data":[{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		p, err := picky.ParsePush([]byte(body))
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.Unprocessable && kind != fault.TooLarge {
				t.Errorf("%v", err)
			}
			return
		}
		for _, r := range p.Recipients {
			if r.Message == nil && p.Message == nil {
				t.Errorf("nothing to send: %s", body)
			}
			picky.KindOf(r.Message)
		}
	})
}
