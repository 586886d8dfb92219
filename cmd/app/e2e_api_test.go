package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"optgate/gateway/api/apitest"
	"optgate/gateway/meta/fake"
)

var client = &http.Client{Timeout: 20 * time.Second}

// fetch makes one call, with headers as names and values; status 0: nobody answered.
func fetch(method, address, token string, body []byte, headers ...string) (status int, answer []byte, header http.Header) {
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return 0, []byte(err.Error()), nil
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, []byte(err.Error()), nil
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, []byte(err.Error()), nil
	}
	return response.StatusCode, answer, response.Header
}

// api calls the private listener, and reads an answer of 2xx into out.
func (w *world) api(method, path, token string, in, out any) (status int, answer string) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return 0, err.Error()
		}
	}
	status, raw, header := fetch(method, "http://"+w.private+path, token, body)
	w.documented(apitest.Exchange{Method: method, Target: path, Asked: body, Status: status, Header: header, Answer: raw})
	if status/100 == 2 && out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			return 0, err.Error()
		}
	}
	return status, string(raw)
}

// openapi is what every answer of the private listener must be as.
var openapi = sync.OnceValues(apitest.Load)

// documented fails the test where somebody was answered as openapi.yaml doesn't say.
func (w *world) documented(e apitest.Exchange) {
	document, err := openapi()
	if err == nil && e.Status != 0 {
		err = document.Check(e)
	}
	if err != nil {
		w.t.Errorf("%s answers %d as openapi.yaml does not say: %v", e.Method, e.Status, err)
	}
}

// reason is the answer of /v1/why.
type reason struct {
	Allowed bool
	Error   string
	List    string
	Source  string
	Rule    string
	Link    *struct{ To, By string }
	History []struct{ From, To, List, Source string }
}

// tokens and channels by account.
var (
	tokenOf   = map[string]string{"acme": acmeToken, "bravo": bravoToken}
	channelOf = map[string]string{"acme": "wa", "bravo": "wb"}
)

// why asks about marketing to somebody; false: it could not be told.
func (w *world) why(account string, who fake.Person) (r reason, ok bool) {
	query := url.Values{"channel": {channelOf[account]}, "to": {shown(who)}, "category": {"marketing"}, "lists": {"default"}}
	status, _ := w.api(http.MethodGet, "/v1/why?"+query.Encode(), tokenOf[account], nil, &r)
	return r, status == http.StatusOK
}

// shown is how the API names a person.
func shown(who fake.Person) string {
	if who.Phone == "" {
		return who.BSUID
	}
	return "+" + who.Phone
}

// barred waits until acme may not send marketing to any of these.
func (w *world) barred(who ...fake.Person) {
	w.t.Helper()
	for _, p := range who {
		eventually(w.t, fmt.Sprintf("%+v is barred", p), func() bool {
			r, ok := w.why("acme", p)
			return ok && !r.Allowed && r.Error == "Optout Number"
		})
	}
}

// allowed waits until acme may.
func (w *world) allowed(who ...fake.Person) {
	w.t.Helper()
	for _, p := range who {
		eventually(w.t, fmt.Sprintf("%+v is allowed", p), func() bool {
			r, ok := w.why("acme", p)
			return ok && r.Allowed
		})
	}
}

// entry is one of an opt-out list.
type entry struct{ ID, To, Channel, Source string }

// entries gives a list's entries by person.
func (w *world) entries(account, list string) map[string]entry {
	w.t.Helper()
	all := map[string]entry{}
	w.pages("/v1/optout-lists/"+list+"/entries", tokenOf[account], func(raw json.RawMessage) {
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			w.t.Fatal(err)
		}
		if _, twice := all[e.To]; twice {
			w.t.Errorf("%s stands twice on list %s", e.To, list)
		}
		all[e.To] = e
	})
	return all
}

// pages reads a list to its end. While the answer can't be certain it asks again.
func (w *world) pages(path, token string, each func(json.RawMessage)) {
	w.t.Helper()
	for after, more := "", true; more; more = after != "" {
		var part struct {
			Data []json.RawMessage
			Next string
		}
		query := url.Values{"limit": {"1000"}}
		if after != "" {
			query.Set("after", after)
		}
		eventually(w.t, path, func() bool {
			status, _ := w.api(http.MethodGet, path+"?"+query.Encode(), token, nil, &part)
			return status == http.StatusOK
		})
		for _, raw := range part.Data {
			each(raw)
		}
		after = part.Next
	}
}

// totals is what a broadcast counts.
type totals struct{ Audience, Duplicates, Queued, Skipped, Sent, Delivered, Read, Failed, Unknown, Cancelled, Expired int }

// whole says that each recipient counts in exactly one place.
func (n totals) whole() bool {
	return n.Audience == n.Queued+n.Skipped+n.Sent+n.Delivered+n.Read+n.Failed+n.Unknown+n.Cancelled+n.Expired
}

type sentBroadcast struct {
	ID, Status string
	Totals     totals
}

// broadcast starts one of acme's to people; change replaces members of the request.
func (w *world) broadcast(who []fake.Person, change map[string]any) string {
	w.t.Helper()
	return w.broadcastOf("acme", who, change)
}

func (w *world) broadcastOf(account string, who []fake.Person, change map[string]any) string {
	w.t.Helper()
	recipients := make([]any, len(who))
	for i, p := range who {
		recipients[i] = map[string]any{"to": shown(p), "params": map[string]any{"name": "Ada"}}
	}
	request := map[string]any{
		"channel": channelOf[account], "category": "marketing", "lists": []any{"default"}, "recipients": recipients,
		"message": map[string]any{"type": "template", "template": map[string]any{
			"name": "offer", "language": map[string]any{"code": "en"}, "components": []any{map[string]any{
				"type": "body", "parameters": []any{map[string]any{"type": "text", "text": "{{name}}"}}}},
		}},
	}
	maps.Copy(request, change)
	var made sentBroadcast
	eventually(w.t, "a broadcast is taken", func() bool {
		status, answer := w.api(http.MethodPost, "/v1/broadcasts", tokenOf[account], request, &made)
		if status != http.StatusCreated && status != http.StatusServiceUnavailable && status != 0 {
			w.t.Fatalf("broadcast: %d %s", status, answer)
		}
		return status == http.StatusCreated
	})
	return made.ID
}

// finished waits for a broadcast's end.
func (w *world) finished(account, id string) (now sentBroadcast) {
	w.t.Helper()
	answer := ""
	defer func() {
		if now.Status != "finished" {
			w.t.Logf("the broadcast: %s", answer)
		}
	}()
	within(w.t, 40*time.Second, "the broadcast finishes", func() (so bool) {
		var status int
		status, answer = w.api(http.MethodGet, "/v1/broadcasts/"+id, tokenOf[account], nil, &now)
		return status == http.StatusOK && now.Status == "finished"
	})
	if !now.Totals.whole() || now.Totals.Queued > 0 {
		w.t.Errorf("totals don't add up: %+v", now.Totals)
	}
	return now
}

// row is one recipient of a report.
type row struct {
	To, Given, Status, Error, List, Reason string
	MessageID                              string `json:"message_id"`
}

// report gives the rows of a broadcast by person.
func (w *world) report(account, id string) map[string]row {
	w.t.Helper()
	rows := map[string]row{}
	w.pages("/v1/broadcasts/"+id+"/report", tokenOf[account], func(raw json.RawMessage) {
		var r row
		if err := json.Unmarshal(raw, &r); err != nil {
			w.t.Fatal(err)
		}
		rows[r.To] = r
	})
	return rows
}
