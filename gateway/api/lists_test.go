package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/api"
	"optgate/pipeline/chat"
)

type page struct {
	Data []entry `json:"data"`
	Next *string `json:"next"`
}

type entry struct {
	ID      string  `json:"id"`
	To      *string `json:"to"`
	Email   *string `json:"email"`
	Channel string  `json:"channel"`
	Source  string  `json:"source"`
	Since   string  `json:"since"`
	Also    []entry `json:"also"`
	Linked  []entry `json:"linked"`
}

// who gives whom entries name, and on which channel.
func who(entries ...entry) (names []string) {
	for _, e := range entries {
		name := "nobody"
		switch {
		case e.To != nil && e.Email != nil:
			name = "both"
		case e.To != nil:
			name = *e.To
		case e.Email != nil:
			name = *e.Email
		}
		names = append(names, name+" "+e.Channel)
	}
	return names
}

func (w *world) entries(t *testing.T, token, list, query string) []string {
	t.Helper()
	var p page
	w.call(t, token, "GET", "/v1/optout-lists/"+list+"/entries?"+query, "").is(200, "").into(&p)
	return who(p.Data...)
}

func TestLists(t *testing.T) {
	w := newWorld(t, nil)
	var all struct {
		Data []map[string]any `json:"data"`
		Next *string          `json:"next"`
	}
	w.call(t, "acme-read", "GET", "/v1/optout-lists", "").is(200, "").into(&all)
	if len(all.Data) != 3 || all.Data[0]["id"] != "default" || all.Data[0]["system"] != true || all.Data[2]["id"] != "news" || all.Next != nil {
		t.Errorf("%v", all)
	}
	var one map[string]any
	w.call(t, "acme-read", "GET", "/v1/optout-lists/news", "").is(200, "").into(&one)
	want := map[string]any{
		"id": "news", "name": "News", "description": "", "system": false, "keywords": []any{}, "confirmation": "", "scope": "all",
		"optin_keywords": []any{}, "optin_message": "", "webhook_url": "", "feed_removals": false, "channels": []any{"wa"},
		"languages": map[string]any{},
	}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Error(diff)
	}
	w.call(t, "globex-admin", "GET", "/v1/optout-lists/news", "").is(404, "unknown_list")
	w.call(t, "globex-admin", "GET", "/v1/optout-lists/news/entries", "").is(404, "unknown_list")

	w.call(t, "acme-read", "GET", "/v1/optout-lists?limit=2", "").is(200, "").into(&all)
	if len(all.Data) != 2 || all.Next == nil {
		t.Fatalf("%v", all)
	}
	w.call(t, "acme-read", "GET", "/v1/optout-lists?limit=2&after="+*all.Next, "").is(200, "").into(&all)
	if len(all.Data) != 1 || all.Data[0]["id"] != "news" || all.Next != nil {
		t.Errorf("%v", all)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "after=nothing"} {
		w.call(t, "acme-read", "GET", "/v1/optout-lists?"+query, "").is(400, "invalid_field")
	}
}

func TestEntriesAreAddedFoundAndRemoved(t *testing.T) {
	w := newWorld(t, nil)
	const path = "/v1/optout-lists/default/entries"
	var added entry
	w.call(t, "acme-lists", "POST", path, `{"to":"07700 900001","channel":"wa"}`).is(201, "").into(&added)
	if diff := cmp.Diff([]string{"+447700900001 wa"}, who(added)); diff != "" || added.Source != "api" || added.Since != "2026-11-22T12:00:00Z" {
		t.Errorf("%+v", added)
	}
	var both entry
	w.call(t, "acme-lists", "POST", path, `{"to":"GB.9021","email":"Ada@EXAMPLE.com","channel":"*"}`).is(201, "").into(&both)
	if diff := cmp.Diff([]string{"GB.9021 *", "Ada@example.com *"}, append(who(both), who(both.Also...)...)); diff != "" {
		t.Error(diff)
	}
	f := func(query string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, w.entries(t, "acme-read", "default", query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	f("", "GB.9021 *", "Ada@example.com *", "+447700900001 wa")
	f("search=%2B44+7700+900", "+447700900001 wa")
	f("search=9021", "GB.9021 *")
	f("search=07700+900", "+447700900001 wa")
	f("channel=*", "GB.9021 *", "Ada@example.com *")
	f("search=example", "Ada@example.com *")
	f("search=nobody")
	if got := w.entries(t, "globex-admin", "default", ""); len(got) > 0 {
		t.Errorf("another account sees %v", got)
	}
	if got := w.entries(t, "acme-read", "news", ""); len(got) > 0 {
		t.Errorf("another list shows %v", got)
	}

	w.call(t, "globex-admin", "DELETE", path+"/"+added.ID, "").is(404, "unknown_entry")
	w.call(t, "acme-lists", "DELETE", "/v1/optout-lists/news/entries/"+added.ID, "").is(404, "unknown_entry")
	var removed entry
	w.call(t, "acme-lists", "DELETE", path+"/"+added.ID, "").is(200, "").into(&removed)
	if diff := cmp.Diff(who(added), who(removed)); diff != "" || len(removed.Linked) > 0 {
		t.Errorf("%+v", removed)
	}
	f("", "GB.9021 *", "Ada@example.com *")
	w.call(t, "acme-lists", "DELETE", path+"/"+added.ID, "").is(404, "unknown_entry")
	for _, id := range []string{"x", "-1.wa", "1", "99999999999999999999.wa", "1.wa"} {
		w.call(t, "acme-lists", "DELETE", path+"/"+id, "").is(404, "unknown_entry")
	}
}

func TestEntriesArePaged(t *testing.T) {
	w := newWorld(t, nil)
	for _, id := range []chat.Identifier{"phone:447700900001", "phone:447700900002", "phone:447700900003"} {
		w.stop(t, "acme", now, id)
	}
	var p page
	w.call(t, "acme-read", "GET", "/v1/optout-lists/default/entries?limit=2", "").is(200, "").into(&p)
	if len(p.Data) != 2 || p.Next == nil {
		t.Fatalf("%+v", p)
	}
	w.call(t, "acme-read", "GET", "/v1/optout-lists/default/entries?limit=2&after="+*p.Next, "").is(200, "").into(&p)
	if diff := cmp.Diff([]string{"+447700900003 wa"}, who(p.Data...)); diff != "" || p.Next != nil {
		t.Errorf("%s %v", diff, p.Next)
	}
}

func TestALaterChangeWinsOverWhatItsMakerSaw(t *testing.T) {
	w := newWorld(t, nil)
	who := chat.Identifier("phone:447700900001")
	w.stop(t, "acme", now.Add(time.Hour), who) // a clock that is ahead
	id := key("acme").Pseudonym(who).String() + ".wa"
	w.call(t, "acme-lists", "DELETE", "/v1/optout-lists/default/entries/"+id, "").is(200, "")
	if got := w.entries(t, "acme-read", "default", ""); len(got) > 0 {
		t.Errorf("still listed: %v", got)
	}
	w.call(t, "acme-lists", "POST", "/v1/optout-lists/default/entries", `{"to":"+447700900001","channel":"wa"}`).is(201, "")
	if got := w.entries(t, "acme-read", "default", ""); len(got) != 1 {
		t.Errorf("not listed again: %v", got)
	}
}

func TestWhatIsNotDecidedInTimeIsAccepted(t *testing.T) {
	w := newWorld(t, nil)
	w.held = true
	r := w.call(t, "acme-lists", "POST", "/v1/optout-lists/default/entries", `{"to":"+447700900001","channel":"wa"}`).is(202, "")
	var said map[string]string
	r.into(&said)
	if said["id"] == "" || said["status"] != "accepted" {
		t.Errorf("%v", said)
	}
}

func TestNothingPersonalIsLogged(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.Calls = 100 })
	w.call(t, "acme-lists", "POST", "/v1/optout-lists/default/entries", `{"to":"+447700900001","+447700900001":1}`)
	w.call(t, "acme-lists", "POST", "/v1/optout-lists/default/entries", `{"to":"+447700900001","channel":"wa"}`)
	w.call(t, "acme-lists", "GET", "/v1/why?to=447700900001&channel=447700900001", "")
	w.call(t, "acme-lists", "GET", "/v1/optout-lists/447700900001", "")
	w.call(t, "acme-lists", "GET", "/v1/people/+447700900001?country=447700900001", "")
	w.call(t, "acme-lists", "GET", "/v1/people/+447700900001", "")
	w.call(t, "acme-lists", "DELETE", "/v1/people/447700900001/optouts?lists=447700900001&channel=wa", "")
	w.call(t, "acme-lists", "POST", "/v1/optout-lists/default/entries/delete", `{"ids":["447700900001"]}`, "Idempotency-Key", "447700900001")
	w.call(t, "acme-lists", "GET", "/v1/optout-lists/default/entries?search=447700900001&format=csv", "")
	w.call(t, "447700900001", "GET", "/v1/447700900001", "")
	if said := w.log.String(); strings.Contains(said, "4477009") || strings.Contains(said, "acme-lists") || said == "" {
		t.Errorf("logged: %s", said)
	}
	if !json.Valid([]byte(strings.SplitN(w.log.String(), "\n", 2)[0])) {
		t.Error("a line that is no JSON")
	}
}
