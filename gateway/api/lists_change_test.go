package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/api"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

const listsPath = "/v1/optout-lists"

func TestAListIsMadeReadChangedAndDeleted(t *testing.T) {
	w := newWorld(t, nil)
	var made, read map[string]any
	r := w.call(t, "acme-lists", "POST", listsPath, `{"name":"Été","description":"d","keywords":["no été"],"confirmation":"bye","optin_keywords":["été"],
		"optin_message":"hi","webhook_url":"https://example.com/o","feed_removals":true,"channels":["wa"],"scope":"all",
		"languages":{"fr":{"keywords":["pas d'été"]}}}`).is(201, "")
	r.into(&made)
	if made["id"] != "ete" || made["system"] != false || r.header.Get("Location") != listsPath+"/ete" {
		t.Errorf("%v %v", made, r.header)
	}
	got := w.call(t, "acme-read", "GET", listsPath+"/ete", "").is(200, "")
	got.into(&read)
	if diff := cmp.Diff(made, read); diff != "" || got.header.Get("ETag") != r.header.Get("ETag") || !strings.HasPrefix(r.header.Get("ETag"), `"`) {
		t.Errorf("%s %v", diff, got.header)
	}
	delete(made, "id")
	delete(made, "system")
	back := w.call(t, "acme-lists", "PATCH", listsPath+"/ete", jsonOf(t, made)).is(200, "") // what was read may be sent back
	if back.header.Get("ETag") != r.header.Get("ETag") {
		t.Error("nothing was changed, and the tag was")
	}
	changed := w.call(t, "acme-lists", "PATCH", listsPath+"/ete", `{"name":"Summer","keywords":null}`, "If-Match", `"x", `+r.header.Get("ETag")).is(200, "")
	changed.into(&read)
	if read["id"] != "ete" || read["name"] != "Summer" || len(read["keywords"].([]any)) != 0 || read["confirmation"] != "bye" {
		t.Errorf("%v", read)
	}
	w.call(t, "acme-lists", "PATCH", listsPath+"/ete", `{"name":"Winter"}`, "If-Match", r.header.Get("ETag")).is(412, "stale")
	w.call(t, "acme-lists", "PATCH", listsPath+"/ete", `{"name":"Winter"}`, "If-Match", "W/"+changed.header.Get("ETag")).is(412, "stale")
	w.call(t, "acme-lists", "PATCH", listsPath+"/ete", `{"name":"Winter"}`, "If-Match", "nonsense").is(400, "invalid_if_match")
	w.call(t, "acme-lists", "DELETE", listsPath+"/ete?name=Summer", "", "If-Match", r.header.Get("ETag")).is(412, "stale")
	w.call(t, "acme-lists", "DELETE", listsPath+"/ete?name=Summer", "", "If-Match", "*").is(200, "")
	w.call(t, "acme-read", "GET", listsPath+"/ete", "").is(404, "unknown_list")
	w.call(t, "acme-lists", "DELETE", listsPath+"/ete?name=Summer", "").is(404, "unknown_list")
}

func TestADeletionAsksForTheNameAndSaysWhoCouldBeReachedAgain(t *testing.T) {
	w := newWorld(t, nil)
	for i, id := range []chat.Identifier{"phone:447700900001", "phone:447700900002", "phone:447700900003"} {
		w.call(t, "acme-lists", "POST", listsPath+"/news/entries", `{"to":"+`+id.Value()+`","channel":"wa"}`).is(201, "")
		if i == 0 {
			w.stop(t, "acme", now, id)
		}
	}
	for _, query := range []string{"", "?name=", "?name=news", "?name=News%20"} {
		r := w.call(t, "acme-lists", "DELETE", listsPath+"/news"+query, "").is(422, "confirm_name")
		var said struct {
			Detail                  string
			Entries, ReachableAgain int
		}
		r.into(&said)
		if !strings.Contains(said.Detail, "3") || said.Entries != 3 || !strings.Contains(string(r.body), `"reachable_again":2`) {
			t.Errorf("%s", r.body)
		}
	}
	var gone map[string]any
	w.call(t, "acme-lists", "DELETE", listsPath+"/news?name=News", "").is(200, "").into(&gone)
	if diff := cmp.Diff(map[string]any{"id": "news", "entries": 3.0, "reachable_again": 2.0}, gone); diff != "" {
		t.Error(diff)
	}
	for _, system := range []string{"default", "meta"} {
		w.call(t, "acme-lists", "DELETE", listsPath+"/"+system+"?name=Default", "").is(403, "system_list")
		w.call(t, "acme-lists", "PATCH", listsPath+"/"+system, `{"name":"Mine"}`).is(403, "system_list")
	}
	w.call(t, "acme-lists", "PATCH", listsPath+"/meta", `{"keywords":["x"]}`).is(422, "invalid_field")
	w.call(t, "acme-lists", "PATCH", listsPath+"/default", `{"keywords":["halt"],"languages":{"fr":null}}`).is(200, "")
}

func TestWrongListsAreToldFieldByField(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.CheckURL = func(url string) error {
			if strings.Contains(url, "127.0.0.1") {
				return fault.New(fault.Unprocessable, "private_network", "This URL leads to a private network.")
			}
			return nil
		}
	})
	f := func(method, path, body string, want ...string) {
		t.Helper()
		r := w.call(t, "acme-lists", method, path, body)
		if diff := cmp.Diff(want, r.fields()); diff != "" || r.status != 422 {
			t.Errorf("%s: %d %s", body, r.status, diff)
		}
	}
	f("POST", listsPath, `{}`, "name required")
	f("POST", listsPath, `{"name":"`+strings.Repeat("é", 51)+`","description":"`+strings.Repeat("é", 301)+`","keywords":["a","`+strings.Repeat("é", 51)+`"],
		"channels":["wa","wb"],"webhook_url":"http://127.0.0.1/x","scope":"x","colour":1,"languages":{"zz":{}}}`,
		"colour unknown_field", "languages.zz unknown_language", "name too_long", "description too_long", "scope unknown_scope", "keywords[1] too_long",
		"channels[1] unknown_channel", "webhook_url private_network")
	f("PATCH", listsPath+"/news", `{"keywords":["promo"],"optin_keywords":["PROMO"]}`, "optin_keywords[0] ambiguous")
	f("PATCH", listsPath+"/news", `{"webhook_url":"gopher://example.com"}`, "webhook_url invalid_url")
	for _, body := range []string{"", "[]", "null", `"x"`, "{", `{"name":"a"} {}`} {
		w.call(t, "acme-lists", "POST", listsPath, body).is(400, "invalid_json")
	}
	w.call(t, "acme-lists", "POST", listsPath, `{"name":"`+strings.Repeat("a", 300<<10)+`"}`).is(413, "too_large")
	if n := len(w.logs[stream.Commands][0]) + len(w.logs[stream.Commands][1]); n > 0 {
		t.Errorf("%d commands came of wrong requests", n)
	}
}

func TestListsBelongToTheirAccountAndScope(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range [][3]string{{"POST", "", `{"name":"X"}`}, {"PATCH", "/news", `{"name":"X"}`}, {"DELETE", "/news?name=News", ""}, {"POST", "/news/near-misses/adopt", `{"text":"x"}`}} {
		w.call(t, "acme-read", c[0], listsPath+c[1], c[2]).is(403, "forbidden")
		w.call(t, "operator", c[0], listsPath+c[1], c[2]).is(403, "forbidden")
		if c[1] != "" {
			w.call(t, "globex-admin", c[0], listsPath+c[1], c[2]).is(404, "unknown_list")
		}
	}
	w.call(t, "globex-admin", "GET", listsPath+"/news/near-misses", "").is(404, "unknown_list")
	w.call(t, "globex-admin", "POST", listsPath, `{"name":"News"}`).is(201, "") // its own
	w.call(t, "acme-lists", "POST", listsPath, `{"name":"NEWS"}`).is(409, "name_taken")
}

func TestARepeatedKeyMakesOneList(t *testing.T) {
	w := newWorld(t, nil)
	first := w.call(t, "acme-lists", "POST", listsPath, `{"name":"Promo"}`, "Idempotency-Key", "k").is(201, "")
	again := w.call(t, "acme-lists", "POST", listsPath, `{"name":"Promo"}`, "Idempotency-Key", "k").is(201, "")
	if string(first.body) != string(again.body) {
		t.Errorf("%s %s", first.body, again.body)
	}
	w.call(t, "acme-lists", "POST", listsPath, `{"name":"Promo","description":"x"}`, "Idempotency-Key", "k").is(422, "idempotency_key_reused")
	w.call(t, "acme-lists", "POST", listsPath, `{"name":"Another"}`, "Idempotency-Key", "k").is(422, "idempotency_key_reused")
}

// Of many who saw the same list one wins, and the others are told.
func TestOneOfManyRacersChangesAList(t *testing.T) {
	w := newWorld(t, nil)
	tag := w.call(t, "acme-read", "GET", listsPath+"/news", "").header.Get("ETag")
	var all sync.WaitGroup
	statuses := make([]int, 10)
	for i := range statuses {
		all.Go(func() {
			statuses[i] = w.call(t, "acme-lists", "PATCH", listsPath+"/news", fmt.Sprintf(`{"description":"by %d"}`, i), "If-Match", tag).status
		})
	}
	all.Wait()
	won := 0
	for i, status := range statuses {
		switch status {
		case http.StatusOK:
			won++
		case http.StatusPreconditionFailed:
		default:
			t.Errorf("racer %d: %d", i, status)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func TestNearMissesAreShownAndAdopted(t *testing.T) {
	w := newWorld(t, nil)
	near := optout.Near{}
	for i, text := range []string{"sotp", "stop texting me", "unsubcribe"} {
		near.Misses = append(near.Misses, optout.ListedNear{
			NearMiss: optout.NearMiss{Text: text, Count: 3 - i%2, First: now.UnixMilli(), Last: now.UnixMilli() + int64(i)}, Lists: []string{"default"},
		})
	}
	r, err := near.Record(shards, "n", "acme", now.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	path := listsPath + "/default/near-misses"
	texts := func(query string) (texts []string, next *string) {
		t.Helper()
		var page struct {
			Data []struct{ Text string }
			Next *string
		}
		w.call(t, "acme-read", "GET", path+query, "").is(200, "").into(&page)
		for _, m := range page.Data {
			texts = append(texts, m.Text)
		}
		return texts, page.Next
	}
	got, next := texts("?limit=2")
	if diff := cmp.Diff([]string{"sotp", "unsubcribe"}, got); diff != "" || next == nil {
		t.Fatalf("%s %v", diff, next)
	}
	if got, next = texts("?limit=2&after=" + *next); len(got) != 1 || next != nil {
		t.Errorf("%v %v", got, next)
	}
	if got, _ = texts("?after=99"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for _, after := range []string{"x", "-1"} {
		w.call(t, "acme-read", "GET", path+"?after="+after, "").is(400, "invalid_field")
	}
	w.call(t, "acme-lists", "POST", path+"/adopt", `{"text":"sotp"}`).is(200, "")
	w.call(t, "acme-lists", "POST", path+"/adopt", `{"text":"sotp"}`).is(404, "unknown_near_miss")
	w.call(t, "acme-lists", "POST", path+"/adopt", `{"text":"🛑"}`).is(422, "invalid_field")
	w.call(t, "acme-lists", "POST", path+"/adopt", `{}`).is(422, "invalid_field")
	if got, _ = texts(""); len(got) != 2 {
		t.Errorf("%v", got)
	}
	a, err := w.Account(t.Context(), "acme")
	if err != nil || !strings.Contains(strings.Join(a.Lists[0].Keywords, ","), "sotp") {
		t.Errorf("%v %v", a.Lists[0].Keywords, err)
	}
}

func TestAListThatIsNotDecidedInTimeIsAccepted(t *testing.T) {
	w := newWorld(t, nil)
	w.held = true
	w.call(t, "acme-lists", "POST", listsPath, `{"name":"Promo"}`).is(202, "")
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
