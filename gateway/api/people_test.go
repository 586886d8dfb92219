package api_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/api"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// identity is somebody in an answer.
type identity struct {
	ID, Kind  string
	To, Email *string
}

func (i identity) String() string {
	switch {
	case i.To != nil:
		return i.Kind + " " + *i.To
	case i.Email != nil:
		return i.Kind + " " + *i.Email
	}
	return i.Kind
}

type standing struct {
	List, Name, Channel, Source, Rule, Reason, Entry string
	OptedOut                                         bool       `json:"opted_out"`
	OptedOutAt                                       *time.Time `json:"opted_out_at"`
	OptedInAt                                        *time.Time `json:"opted_in_at"`
	Since                                            *time.Time
}

func (s standing) String() string {
	return fmt.Sprintf("%s/%s %v", s.List, s.Channel, map[bool]string{true: "out", false: "in"}[s.OptedOut])
}

type personRecord struct {
	identity
	Known, Truncated bool
	Optouts          []struct {
		identity
		standing
	}
	Aliases []struct {
		identity
		Links []struct {
			identity
			Since time.Time
			By    string
		}
		Lists []standing
	}
}

type listChange struct {
	List      string
	Changed   bool
	Entries   []standing
	Remaining []standing
}

type consent struct {
	identity
	Channel string
	Changed int
	Lists   []listChange
	Aliases []struct {
		identity
		Lists []listChange
	}
	Linked []struct {
		identity
		Optouts []standing
	}
	Truncated bool
}

func (w *world) about(t *testing.T, identifier string) (p personRecord) {
	t.Helper()
	w.call(t, "acme-read", "GET", "/v1/people/"+url.PathEscape(identifier), "").is(200, "").into(&p)
	return p
}

// tie links identifiers of acme.
func (w *world) tie(t *testing.T, ids ...chat.Identifier) {
	t.Helper()
	tie := optout.Tie{At: now.UnixMilli(), By: optout.SourceWebhook}
	for _, id := range ids {
		tie.Who = append(tie.Who, optout.Ref{ID: id, P: key("acme").Pseudonym(id)})
	}
	records, err := tie.Records(shards, fmt.Sprint("tie", ids), "acme", now.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
}

func TestAPersonIsShownByAnyIdentifier(t *testing.T) {
	w := newWorld(t, nil)
	w.tie(t, "bsuid:GB.9021", "bsuid:GB.ENT.1")
	w.say(t, "acme", false, now.Add(-time.Hour), "phone:447700900001")
	w.stop(t, "acme", now, "phone:447700900001", "bsuid:GB.9021")
	for _, identifier := range []string{"+447700900001", "07700 900001", "GB.9021", "GB.ENT.1", "phone:447700900001", "bsuid:GB.9021"} {
		p := w.about(t, identifier)
		if !p.Known || p.Truncated || len(p.Aliases) != 3 || len(p.Optouts) < 2 || p.Aliases[0].String() != p.String() {
			t.Errorf("%s: %+v", identifier, p)
		}
	}
	p := w.about(t, "07700 900001")
	me := p.Aliases[0]
	if me.String() != "phone +447700900001" || len(me.Links) != 1 || me.Links[0].String() != "bsuid GB.9021" || me.Links[0].By != "message" || !me.Links[0].Since.Equal(now) {
		t.Errorf("%+v", me)
	}
	if l := me.Lists[0]; l.String() != "default/wa out" || l.Name != "Default" || l.Source != "message" || l.Rule != "stop" || !l.Since.Equal(now) ||
		!l.OptedInAt.Equal(now.Add(-time.Hour)) || l.Reason != `On the list Default for channel wa since 2026-11-22 12:00:00 UTC, by the word "stop".` {
		t.Errorf("%+v", l)
	}
	if got := w.call(t, "acme-read", "GET", "/v1/people/7700900001?country=gb", "").is(200, ""); !strings.Contains(string(got.body), "+447700900001") {
		t.Errorf("%s", got.body)
	}
}

func TestWhoeverIsUnknownHasAnEmptyRecord(t *testing.T) {
	w := newWorld(t, nil)
	for identifier, want := range map[string]string{
		"+447700900009": "phone +447700900009", "GB.1": "bsuid GB.1", "Ada@EXAMPLE.com": "email Ada@example.com",
		"psid:123/456": "psid psid:123/456", "igsid:1/2": "igsid igsid:1/2", "+999123456789": "phone +999123456789",
	} {
		p := w.about(t, identifier)
		if p.Known || p.String() != want || len(p.Optouts) != 0 || len(p.Aliases) != 1 || p.Aliases[0].String() != want {
			t.Errorf("%s: %+v", identifier, p)
		}
	}
	for path, want := range map[string]string{
		"xyz": "identifier invalid_number", "psid:1": "identifier invalid_identifier", "%FF": "identifier invalid_number", "%zz": "identifier invalid_number",
		"+447700900001?country=XX": "country unknown_country", "+447700900001?channel=xx": "channel unknown_channel", "@": "identifier invalid_email",
	} {
		r := w.call(t, "acme-read", "GET", "/v1/people/"+strings.ReplaceAll(path, "%zz", "%25zz"), "")
		if diff := cmp.Diff([]string{want}, r.fields()); r.status != 422 || diff != "" {
			t.Errorf("%s: %d %s", path, r.status, diff)
		}
	}
	w.stop(t, "acme", now, "phone:447700900009")
	var p personRecord
	if w.call(t, "globex-admin", "GET", "/v1/people/+447700900009", "").is(200, "").into(&p); p.Known || len(p.Optouts) > 0 {
		t.Errorf("another account: %+v", p)
	}
}

func TestAWideCircleIsCutAndSaysSo(t *testing.T) {
	w := newWorld(t, nil)
	for n := range 60 {
		w.tie(t, "phone:447700900001", chat.Identifier(fmt.Sprintf("bsuid:GB.%d", n)))
	}
	var said consent
	w.call(t, "acme-lists", "POST", "/v1/people/+447700900001/optouts", `{"lists":["default"],"channel":"wa"}`).is(200, "").into(&said)
	if !said.Truncated || len(said.Linked) != 49 {
		t.Errorf("%d linked, truncated %v", len(said.Linked), said.Truncated)
	}
	if p := w.about(t, "+447700900001"); len(p.Aliases) != 50 || !p.Truncated || len(p.Aliases[0].Links) != 60 {
		t.Errorf("%d aliases, truncated %v", len(p.Aliases), p.Truncated)
	}
}

func TestAPersonIsPutOnManyListsAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.tie(t, "phone:447700900001", "bsuid:GB.9021")
	w.stop(t, "acme", now.Add(-time.Hour), "phone:447700900001")
	const path = "/v1/people/+447700900001/optouts"
	var said consent
	w.call(t, "acme-lists", "POST", path, `{"lists":["default","news","news"],"channel":"wa"}`, "Idempotency-Key", "k").is(200, "").into(&said)
	if said.Changed != 1 || len(said.Lists) != 2 || said.Lists[0].Changed || !said.Lists[1].Changed || fmt.Sprint(said.Lists[1].Entries) != "[news/wa out]" {
		t.Errorf("%+v", said)
	}
	if p := w.about(t, "GB.9021"); len(p.Optouts) != 4 {
		t.Errorf("what is linked: %+v", p.Optouts)
	}
	w.call(t, "acme-lists", "POST", path, `{"lists":["default"],"channel":"wa"}`, "Idempotency-Key", "k").is(422, "idempotency_key_reused")
	w.call(t, "acme-read", "POST", path, `{"lists":["default"],"channel":"wa"}`).is(403, "forbidden")
	for body, want := range map[string][]string{
		`{}`:                                    {"lists out_of_range", "channel required"},
		`{"lists":["x"],"channel":"xx"}`:        {"lists[0] unknown_list", "channel unknown_channel"},
		`{"lists":["default"],"channel":"old"}`: {"channel closed_channel"},
		`{"lists":["default"],"channel":"wa","aliases":true}`: {"aliases not_allowed"},
	} {
		r := w.call(t, "acme-lists", "POST", path, body)
		if diff := cmp.Diff(want, r.fields()); r.status != 422 || diff != "" {
			t.Errorf("%s: %d %s", body, r.status, diff)
		}
	}
	w.call(t, "acme-lists", "POST", "/v1/people/ada@example.com/optouts", `{"lists":["default"],"channel":"wa"}`).is(422, "invalid_field")
	w.call(t, "acme-lists", "POST", "/v1/people/psid:1%2F2/optouts", `{"lists":["default"],"channel":"*"}`).is(200, "").into(&said)
	if said.String() != "psid psid:1/2" || said.Changed != 1 {
		t.Errorf("%+v", said)
	}
	w.call(t, "acme-lists", "POST", "/v1/people/+12345/optouts", `{"lists":["default"],"channel":"*"}`).is(422, "invalid_field")
}

func TestAPersonsNumberIsReadAsTheChannelSays(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Directory = chat.NewDirectory([]string{"acme"}, []chat.Channel{
			{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "1", DefaultCountry: "GB"},
			{Account: "acme", ID: "old", Kind: chat.WhatsApp, NumberID: "2", DefaultCountry: "BR"},
		})
	})
	const path = "/v1/people/(11)%208765-4321"
	var said consent
	w.call(t, "acme-lists", "POST", path+"/optouts", `{"lists":["default"],"channel":"old"}`).is(200, "").into(&said)
	if said.String() != "phone +5511987654321" {
		t.Errorf("%s", said)
	}
	w.call(t, "acme-lists", "POST", path+"/optouts", `{"lists":["default"],"channel":"*"}`).is(422, "invalid_field")
	w.call(t, "acme-lists", "POST", path+"/optouts?country=BR", `{"lists":["default"],"channel":"*"}`).is(200, "").into(&said)
	w.call(t, "acme-lists", "DELETE", path+"/optouts?lists=default&channel=old", "").is(200, "").into(&said)
	if said.Changed != 1 {
		t.Errorf("%+v", said)
	}
	w.call(t, "acme-read", "GET", path+"?channel=old", "").is(200, "")
	w.call(t, "acme-read", "GET", path, "").is(422, "invalid_field")
}

func TestLiftingLiftsWhatIsNamedAndShowsTheRest(t *testing.T) {
	w := newWorld(t, nil)
	w.tie(t, "phone:447700900001", "bsuid:GB.9021")
	w.tie(t, "bsuid:GB.9021", "bsuid:GB.ENT.1")
	out := func() {
		t.Helper()
		w.call(t, "acme-lists", "POST", "/v1/people/+447700900001/optouts", `{"lists":["default","news"],"channel":"wa"}`).is(200, "")
		w.call(t, "acme-lists", "POST", "/v1/people/+447700900001/optouts", `{"lists":["default"],"channel":"*"}`).is(200, "")
	}
	lift := func(method, query string) (said consent) {
		t.Helper()
		w.call(t, "acme-lists", "DELETE", "/v1/people/+447700900001/optouts"+method, query).is(200, "").into(&said)
		return said
	}
	out()
	said := lift("?lists=default&channel=wa", "")
	if said.Changed != 1 || fmt.Sprint(said.Lists[0].Entries, said.Lists[0].Remaining) != "[default/wa in] [default/* out]" {
		t.Errorf("%+v", said.Lists)
	}
	if got := fmt.Sprint(said.Linked); len(said.Linked) != 2 || len(said.Linked[0].Optouts) != 3 || said.Linked[1].String() != "bsuid GB.ENT.1" {
		t.Errorf("linked: %s", got)
	}
	said = lift("", `{"lists":["default"],"channel":"*"}`)
	if said.Changed != 1 || len(said.Lists[0].Remaining) != 0 || said.Lists[0].Entries[0].OptedOut || len(said.Linked[0].Optouts) != 3 {
		t.Errorf("%+v", said.Lists)
	}
	if said = lift("?lists=default&channel=*", ""); said.Changed != 0 || said.Lists[0].Changed {
		t.Errorf("lifted twice: %+v", said.Lists)
	}
	out()
	said = lift("", `{"lists":["default","news"],"channel":"*","aliases":true}`)
	if said.Changed != 9 || len(said.Aliases) != 2 || said.Aliases[0].String() != "bsuid GB.9021" || !said.Aliases[0].Lists[0].Changed || len(said.Linked[0].Optouts)+len(said.Linked[1].Optouts) > 0 {
		t.Errorf("with aliases: %+v", said)
	}
	if p := w.about(t, "+447700900001"); len(p.Optouts) > 0 {
		t.Errorf("left: %+v", p.Optouts)
	}
	w.call(t, "acme-lists", "DELETE", "/v1/people/+447700900001/optouts", "").is(422, "invalid_fields")
	w.call(t, "acme-lists", "DELETE", "/v1/people/+447700900001/optouts?lists=default&channel=wa&aliases=maybe", "").is(400, "invalid_field")
	w.held = true
	w.call(t, "acme-lists", "DELETE", "/v1/people/+447700900001/optouts?lists=default&channel=wa", "").is(202, "")
}

func TestNobodyKnowsWhereTheViewIsUncertain(t *testing.T) {
	w := newWorld(t, nil)
	w.failed = fault.Wrap(errors.New("no lease"), fault.NotCertain, "not_certain", "Nobody can know just now.")
	w.call(t, "acme-read", "GET", "/v1/people/+447700900001", "").is(503, "not_certain")
	w.call(t, "acme-lists", "POST", "/v1/people/+447700900001/optouts", `{"lists":["default"],"channel":"wa"}`).is(503, "not_certain")
	w.call(t, "acme-lists", "POST", entriesPath+"/delete", `{"ids":["1.wa"]}`).is(503, "not_certain")
}
