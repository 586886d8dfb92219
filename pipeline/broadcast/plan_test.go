package broadcast_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

const text = `{"type":"text","text":{"body":"Hi {{name}}"}}`

// template is a message whose parameters may be long.
const template = `{"type":"template","template":{"name":"t","language":{"code":"en"},"components":[{"type":"body","parameters":[{"type":"text","text":"{{name}}"}]}]}}`

func terms() broadcast.Terms {
	return broadcast.Terms{
		Account: optout.Account{
			ID: "acme", Key: chat.Key("0123456789abcdef0123456789abcdef"), Lists: []optout.List{{ID: "default"}, {ID: "meta"}, {ID: "offers"}},
		},
		Directory: chat.NewDirectory([]string{"acme", "globex"}, []chat.Channel{
			{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "1", DefaultCountry: "GB", Rate: 10},
			{Account: "acme", ID: "page", Kind: chat.Messenger, NumberID: "2"},
			{Account: "globex", ID: "theirs", Kind: chat.WhatsApp, NumberID: "3"},
		}),
		Now: time.UnixMilli(1_790_000_000_000),
	}
}

func draft(body string) (broadcast.Draft, error) {
	r, wrong, err := broadcast.ParseRequest([]byte(body))
	if err != nil {
		return broadcast.Draft{}, err
	}
	return terms().Draft("b1", []byte(body), r, wrong)
}

// asked writes a request to these recipients.
func asked(recipients ...string) string {
	return `{"channel":"wa","category":"marketing","lists":["default"],"message":` + text + `,"recipients":[` + strings.Join(recipients, ",") + `]}`
}

func to(number string) string { return fmt.Sprintf(`{"to":%q,"params":{"name":"Ada"}}`, number) }

func TestEachDistinctRecipientHasOneRow(t *testing.T) {
	type row struct{ To, Error, Dial string }
	f := func(body string, duplicates int, want ...row) {
		t.Helper()
		d, err := draft(body)
		if err != nil {
			t.Fatal(err)
		}
		var got []row
		for i, r := range slices.Concat(d.Rows...) {
			if r.N != i+1 {
				t.Errorf("row %d has number %d", i, r.N)
			}
			if r.To != "" && r.Pseudonym != terms().Account.Key.Pseudonym(r.To) {
				t.Errorf("row %d has another's pseudonym", r.N)
			}
			got = append(got, row{string(r.To), r.Error, r.Dial})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
		if d.Plan.Audience != len(want) || d.Plan.Duplicates != duplicates {
			t.Errorf("%s: audience %d, duplicates %d", body, d.Plan.Audience, d.Plan.Duplicates)
		}
	}
	f(asked(to("+447700900101"), to("07700 900101"), to("+44 7700 900102")), 1,
		row{To: "phone:447700900101"}, row{To: "phone:447700900102"})
	f(asked(to("+551187654321"), to("+5511987654321")), 1, row{To: "phone:5511987654321", Dial: "+551187654321"})
	f(asked(to("+5215512345678"), to("+525512345678")), 1, row{To: "phone:525512345678", Dial: "+5215512345678"})
	f(asked(to("+5491123456789"), to("+54 11 15 2345 6789")), 1, row{To: "phone:5491123456789"})
	f(asked(to("GB.90210000000000000777"), to("GB.90210000000000000777")), 1, row{To: "bsuid:GB.90210000000000000777"})
	f(asked(to(""), to(""), `{}`, to("nobody")), 0, // who has no number is like nobody else
		row{Error: "Invalid Number"}, row{Error: "Invalid Number"}, row{Error: "Invalid Number"}, row{Error: "Invalid Number"})
	f(asked(`{"to":"+447700900101"}`, `{"to":"+447700900102","params":{"name":null}}`, `{"to":"+447700900103","params":{"name":7}}`), 0,
		row{To: "phone:447700900101", Error: "Missing Parameter: name"},
		row{To: "phone:447700900102", Error: "Missing Parameter: name"},
		row{To: "phone:447700900103"})
}

func TestEveryWrongFieldIsToldAtOnce(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		_, err := draft(body)
		var wrong *fault.Error
		if !errors.As(err, &wrong) || wrong.Kind != fault.Unprocessable {
			t.Fatalf("%.200s: %v", body, err)
		}
		var got []string
		for _, w := range wrong.Fields {
			got = append(got, w.Field+" "+w.Code)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.200s: %s", body, diff)
		}
	}
	f(`{}`, "channel required", "category required", "message required", "recipients required", "lists required")
	f(`{"channel":1,"category":[],"lists":"default","message":"Hi","recipients":{},"ends_at":5,"list":1}`,
		"list unknown_member", "channel invalid", "category invalid", "lists invalid", "message invalid", "ends_at invalid", "recipients required")
	change := func(this, that string) string {
		return strings.Replace(asked(to("+447700900101")), this, that, 1)
	}
	f(change(`"wa"`, `"theirs"`), "channel unknown_channel")
	f(change(`"wa"`, `"page"`), "channel unsupported_channel")
	f(change(`"marketing"`, `"spam"`), "category unknown_category")
	f(change(`["default"]`, `[]`), "lists required")
	f(change(`["default"]`, `["default","vip"]`), "lists[1] unknown_list")
	f(change(`"marketing","lists":["default"]`, `"utility","lists":["meta"]`), "lists required")
	with := func(members string) string { return change(`"recipients"`, members+`,"recipients"`) }
	f(with(`"starts_at":"2020-01-01T00:00:00Z","ends_at":"2020-01-01T10:00:00Z"`), "starts_at out_of_range")
	f(with(`"starts_at":"2026-10-21T14:13:21Z"`), "starts_at out_of_range") // a second over 30 days
	f(with(`"starts_at":"2026-10-01T00:00:00Z","ends_at":"2026-10-01T00:00:00Z"`), "ends_at out_of_range")
	f(with(`"starts_at":"2026-10-01T00:00:00Z","ends_at":"2026-10-03T12:00:01Z"`), "ends_at out_of_range")
	f(with(`"starts_at":"soon"`), "starts_at invalid")
	f(with(`"quiet_hours":{"from":"21:00","to":"21:00"}`), "quiet_hours.to invalid")
	f(with(`"quiet_hours":{"from":"9pm","to":"24:00","zone":"Mars/Base"}`), "quiet_hours.from invalid", "quiet_hours.to invalid", "quiet_hours.zone unknown_zone")
	f(with(`"quiet_hours":{"from":"21:00","to":"08:00","zone":"Local"}`), "quiet_hours.zone unknown_zone")
	f(with(`"quiet_hours":{"from":"21:00","till":"08:00"}`), "quiet_hours invalid")
	f(with(`"messages_per_second":0`), "messages_per_second out_of_range")
	f(with(`"messages_per_second":"10"`), "messages_per_second out_of_range")
	f(with(`"messages_per_second":1e-300`), "messages_per_second out_of_range")
	f(with(`"messages_per_second":1e300`), "messages_per_second out_of_range")
	f(with(`"webhook_url":"ftp://example.com"`), "webhook_url invalid_url")
	f(with(`"webhook_url":7`), "webhook_url invalid")
	f(with(`"audience":{"upload":"a1"}`), "recipients one_source", "audience.upload unknown_audience")
	from := func(audience string) string {
		return strings.Split(asked(), `"recipients"`)[0] + `"audience":` + audience + `}`
	}
	f(from(`{"upload":"a1","segment":"s1"}`), "audience invalid")
	f(from(`{}`), "audience invalid")
	f(from(`"a1"`), "audience invalid")
	f(from(`{"list":"a1"}`), "audience.list unknown_member")
	f(from(`{"upload":"a/1"}`), "audience.upload invalid")
	f(from(`{"upload":7}`), "audience.upload invalid")
	f(from(`{"segment":"s1"}`), "audience.segment unknown_segment")
	f(change(`"recipients"`, `"ends_at":"2020-01-01T00:00:00Z","recipients"`), "ends_at out_of_range")
	f(change(`"recipients"`, `"ends_at":"2036-01-01T00:00:00Z","recipients"`), "ends_at out_of_range")
	f(asked(`{"to":447700900101}`, `7`, `{"to":"`+strings.Repeat("4", 300)+`","params":[]}`, `{"to":"x","params":{"name":{}}}`),
		"recipients[0].to invalid", "recipients[1] invalid", "recipients[2].to too_long", "recipients[2].params invalid",
		"recipients[3].params.name invalid")
	f(asked(`{"to":"+447700900101","params":{"name":"`+strings.Repeat("<", 12<<10)+`"}}`), "recipients[0].params too_long")
}

func TestARequestThatIsNoneIsRefused(t *testing.T) {
	f := func(body string, kind fault.Kind) {
		t.Helper()
		if _, err := draft(body); fault.KindOf(err) != kind {
			t.Errorf("%.50s: %v", body, err)
		}
	}
	f(``, fault.Invalid)
	f(`[]`, fault.Invalid)
	f(`null`, fault.Invalid)
	f(asked(slices.Repeat([]string{`{}`}, 10_001)...), fault.TooLarge)
}

func TestPagesStayWithinWhatACommandMayHold(t *testing.T) {
	f := func(recipients, params int, most int) {
		t.Helper()
		var all []string
		for n := range recipients {
			all = append(all, fmt.Sprintf(`{"to":"+4477009%05d","params":{"name":"%s"}}`, n, strings.Repeat("&", params)))
		}
		d, err := draft(strings.Replace(asked(all...), text, template, 1))
		if err != nil {
			t.Fatal(err)
		}
		pages, create, err := d.Commands(time.UnixMilli(5), 17)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for i, c := range append(pages, create) {
			if _, err := c.Record(0); err != nil {
				t.Error(err)
			}
			if i < len(pages) {
				if len(c.Body) > 300<<10 || d.Plan.Pages[i] != len(d.Rows[i]) || d.Plan.Pages[i] > 500 {
					t.Errorf("page %d: %d rows, %d bytes", i, len(d.Rows[i]), len(c.Body))
				}
				rows += d.Plan.Pages[i]
			}
		}
		if rows != recipients || len(pages) > most {
			t.Errorf("%d rows in %d pages", rows, len(pages))
		}
		for n := 1; n <= rows; n++ {
			page, first := d.Plan.Find(n)
			if d.Rows[page][n-first].N != n {
				t.Fatalf("row %d is not where it is looked for", n)
			}
		}
	}
	f(1, 1, 1)
	f(500, 3, 1)
	f(1001, 3, 3)
	f(40, 9000, 10) // 54 kB a row once written: four in a page
}

func TestAnIdempotencyKeyNamesOneBroadcast(t *testing.T) {
	key, other := chat.Key("k1"), chat.Key("k2")
	if a := broadcast.ID(key, "order-7", "x"); a != broadcast.ID(key, "order-7", "y") || a == broadcast.ID(other, "order-7", "x") ||
		a == broadcast.ID(key, "order-8", "x") || strings.Contains(a, "/") {
		t.Error(a)
	}
	if broadcast.ID(key, "", "x") != "x" {
		t.Error("ids of other requests")
	}
	a, err := draft(asked(to("+447700900101")))
	b, wrong := draft(asked(to("+447700900102")))
	if err != nil || wrong != nil || a.Digest == b.Digest {
		t.Errorf("two requests, one digest: %v %v", err, wrong)
	}
}

// The bytes of commands stand in Kafka for weeks and are read by later releases.
func TestCommandsKeepTheirShape(t *testing.T) {
	d, err := draft(asked(to("07700 900101"), to("nobody"), to("+551187654321")))
	if err != nil {
		t.Fatal(err)
	}
	pages, create, err := d.Commands(terms().Now, 17)
	if err != nil {
		t.Fatal(err)
	}
	status, err := broadcast.StatusCommand("b1.running", d.Ref, broadcast.Running, "", 9)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "commands.json", []shard.Command{pages[0], create, status})
}

func golden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(asked(to("+447700900101"), `{}`, `{"to":null,"params":{"a":1.5,"b":true}}`)))
	f.Add([]byte(`{"recipients":[null,[],{"params":null}],"message":{"type":"template","template":{}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, wrong, err := broadcast.ParseRequest(body)
		if err != nil {
			return
		}
		d, err := terms().Draft("b1", body, r, wrong)
		if err != nil {
			return
		}
		if len(wrong) > 0 || d.Plan.Audience+d.Plan.Duplicates != len(r.Recipients) || d.Plan.Audience == 0 {
			t.Fatalf("wrong %v, audience %d, duplicates %d of %d", wrong, d.Plan.Audience, d.Plan.Duplicates, len(r.Recipients))
		}
		pages, create, err := d.Commands(time.UnixMilli(1), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range append(pages, create) {
			if _, err := c.Record(0); err != nil {
				t.Fatal(err)
			}
		}
	})
}
