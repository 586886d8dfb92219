package app_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/gateway/api/apitest"
	"optgate/gateway/meta/fake"
)

// secretName is the name of acme's list that nobody else may learn of.
const secretName = "Vault of Acme"

// TestNoTokenReachesAnothersThings asks every route of the API for acme's things, as everybody who must not have them: who has no
// token, another account, a token without the scope, one that has expired, one that was revoked, and an operator. Acme's state is
// the same afterwards, and nobody was told anything of it.
func TestNoTokenReachesAnothersThings(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, nil)
		w.settings["webcall"] = map[string]any{"allow": []any{"127.0.0.0/8"}}
		w.settings["private"] = map[string]any{"listen": w.private, "pprof": true}
		w.start()
		vault := w.fillVault()
		ends := time.Now().Add(2 * time.Second)
		expired, revoked := w.makeToken("expires", ends, "admin").Token, w.makeToken("is revoked", time.Time{}, "admin")
		w.certainly(http.MethodDelete, "/v1/tokens/"+revoked.ID, acmeToken, nil, nil)
		quiet(t, max(time.Until(ends), 1100*time.Millisecond))
		lacking := map[string]string{ // tokens of acme that may do everything but that
			"read":              w.makeToken("no reader", time.Time{}, "send").Token,
			"send":              w.makeToken("no sender", time.Time{}, "read", "lists").Token,
			"lists":             w.makeToken("no lister", time.Time{}, "read", "send").Token,
			"admin":             w.makeToken("no admin", time.Time{}, "read", "send", "lists").Token,
			"admin or operator": w.makeToken("no governor", time.Time{}, "read", "send", "lists").Token,
			"operator":          acmeToken,
		}
		document, err := openapi()
		if err != nil {
			t.Fatal(err)
		}
		routes := slices.DeleteFunc(document.Routes(), func(r apitest.Route) bool { return r.Scope == "anyone" })
		var before map[string]string
		eventually(t, "nothing moves any more", func() bool {
			last := before
			quiet(t, 300*time.Millisecond)
			before = w.stateOf("/acme")
			return before["channel/acme/wa"] != "" && before["portfolio/acme/"+acme.WABA] != "" && maps.Equal(last, before)
		})
		if len(routes) < 40 || len(before) < 10 {
			t.Fatalf("%d routes, %d states", len(routes), len(before))
		}
		for _, r := range routes {
			if r.Scope == inBody {
				vault.asksInBody(w, r.Path, lacking["send"], expired, revoked.Token)
				continue
			}
			ask := vault.request(t, r)
			f := func(who, token string, allowed ...int) {
				t.Helper()
				status, answer := w.asks(ask, token)
				if !slices.Contains(allowed, status) {
					t.Errorf("%s %s: %s is answered with %d, not %d: %.300s", r.Method, r.Path, who, status, allowed, answer)
				}
				if found := vault.told(ask, answer); found != "" {
					t.Errorf("%s %s: %s is told of %q: %.300s", r.Method, r.Path, who, found, answer)
				}
			}
			f("who has no token", "", http.StatusUnauthorized)
			f("who has expired", expired, http.StatusUnauthorized)
			f("who was revoked", revoked.Token, http.StatusUnauthorized)
			f("who lacks the scope", lacking[r.Scope], http.StatusForbidden)
			f("another account", bravoToken, ask.toStrangers...)
			if strings.Contains(r.Path, "{list}") { // with acme's ids behind a list that is there
				ask.target = strings.Replace(ask.target, "/"+vault.list, "/default", 1)
				f("another account on its own list", bravoToken, append(ask.toStrangers, http.StatusOK, http.StatusCreated)...)
			}
			switch r.Scope {
			case "operator":
			case "admin or operator": // these ask for the account, which the next test names
			default:
				f("an operator", operatorToken, http.StatusForbidden)
			}
		}
		after := w.stateOf("/acme")
		for key := range after {
			if after[key] != before[key] {
				t.Errorf("changed: %s\nfrom %.300s\nto   %.300s", key, before[key], after[key])
			}
		}
		for key := range before {
			if _, there := after[key]; !there {
				t.Errorf("gone: %s", key)
			}
		}
		vault.isThere(w, routes)
	})
}

// vault is what acme has: ids by the part of the path behind which they stand.
type vault struct {
	list    string
	ids     map[string]string
	person  fake.Person
	markers []string
}

// fillVault gives acme one of everything, and waits until nothing moves any more.
func (w *world) fillVault() *vault {
	w.t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w.t.Cleanup(receiver.Close)
	v := &vault{ids: map[string]string{}, person: person(71)}
	var made struct{ ID string }
	create := func(path string, body any) string {
		w.t.Helper()
		if status, answer := w.certainly(http.MethodPost, path, acmeToken, body, &made); status/100 != 2 {
			w.t.Fatalf("%s: %d %s", path, status, answer)
		}
		return made.ID
	}
	v.list = create("/v1/optout-lists", map[string]any{
		"name": secretName, "keywords": []any{"leave the vault"}, "webhook_url": receiver.URL + "/feed"})
	entries := "/v1/optout-lists/" + v.list + "/entries"
	v.ids["entries"] = create(entries, map[string]any{"to": shown(v.person), "channel": "wa"})
	v.ids["tokens"] = create("/v1/tokens", map[string]any{"name": "key of the vault", "scopes": []any{"read"}})
	v.ids["sequences"] = create("/v1/sequences", map[string]any{
		"name": "the vault's", "channel": "wa", "category": "marketing", "lists": []any{v.list},
		"steps": []any{map[string]any{"after": map[string]any{"days": 9}, "message": map[string]any{"type": "text", "text": map[string]any{"body": "Hi"}}}},
	})
	w.certainly(http.MethodPost, "/v1/sequences/"+v.ids["sequences"]+"/subscribers", acmeToken, map[string]any{"to": shown(v.person)}, nil)
	v.ids["broadcasts"] = w.broadcast([]fake.Person{v.person, person(72)}, map[string]any{"lists": []any{v.list}})
	w.finished("acme", v.ids["broadcasts"])
	status, answer, _ := fetch(http.MethodPost, "http://"+w.private+"/v1/imports?list="+v.list, acmeToken,
		[]byte("to,channel\n"+shown(person(73))+",wa\nnobody,wa\n"), "Content-Type", "text/csv")
	if status != http.StatusAccepted || json.Unmarshal(answer, &made) != nil {
		w.t.Fatalf("import: %d %s", status, answer)
	}
	v.ids["imports"] = made.ID
	v.ids["blacklist"] = create("/v1/blacklist", map[string]any{"to": shown(person(75)), "channel": "wa", "note": "in the vault"})
	v.ids["contacts"] = create("/v1/contacts", map[string]any{"to": shown(person(76)), "name": "Of the vault", "tags": []any{"vault"}})
	v.ids["segments"] = create("/v1/segments", map[string]any{"name": "In the vault", "conditions": []any{map[string]any{"tag": "vault"}}})
	v.ids["messages"] = create("/v1/messages", map[string]any{"channel": "wa", "to": shown(person(74)), "category": "utility",
		"message": map[string]any{"type": "text", "text": map[string]any{"body": "Paid"}}})
	status, answer, _ = fetch(http.MethodPost, "http://"+w.private+"/v1/audiences?channel=wa", acmeToken,
		[]byte("to,name\n"+shown(person(74))+",of the vault\n,\n"), "Content-Type", "text/csv")
	if status != http.StatusCreated || json.Unmarshal(answer, &made) != nil {
		w.t.Fatalf("audience: %d %s", status, answer)
	}
	v.ids["audiences"] = made.ID
	status, answer, _ = fetch(http.MethodPost, "http://"+w.private+"/v1/media?name=vault.txt", acmeToken, []byte("the file of the vault"), "Content-Type", "text/plain")
	if status != http.StatusCreated || json.Unmarshal(answer, &made) != nil {
		w.t.Fatalf("media: %d %s", status, answer)
	}
	v.ids["media"] = made.ID
	var page struct{ Data []struct{ ID, Status string } }
	eventually(w.t, "both opt-outs are delivered", func() bool {
		w.api(http.MethodGet, "/v1/optout-lists/"+v.list+"/deliveries", acmeToken, nil, &page)
		return len(page.Data) == 2 && page.Data[0].Status == "delivered" && page.Data[1].Status == "delivered"
	})
	v.ids["deliveries"] = page.Data[0].ID
	pseudonym, _, _ := strings.Cut(v.ids["entries"], ".")
	v.markers = append(slices.Collect(maps.Values(v.ids)), v.list, secretName, pseudonym, v.person.Phone, "key of the vault", "leave the vault")
	v.ids["channels"] = "wa" // no marker: it stands in many a word
	return v
}

// asked is one request for acme's things.
type asked struct {
	method, target, body, kind string
	toStrangers                []int // statuses that another account may be answered with
}

// wanted are queries and bodies of the routes that take any, with {list}, {entries} and so on for acme's. A route that changes
// something must stand here.
var wanted = map[string]struct{ query, body, kind string }{
	"POST /v1/broadcasts": {body: `{"channel":"wa","category":"marketing","lists":["{list}"],"recipients":[{"to":"{phone}"}],"message":{"type":"text","text":{"body":"Hi"}}}`},
	"POST /v1/messages":   {body: `{"channel":"wa","category":"marketing","lists":["{list}"],"to":"{phone}","message":{"type":"text","text":{"body":"Hi"}}}`},

	"POST /v1/sequences":                                 {body: `{"name":"Mine","channel":"wa","category":"marketing","lists":["{list}"],"steps":[{"after":{"days":1},"message":{"type":"text","text":{"body":"Hi"}}}]}`},
	"PATCH /v1/sequences/{id}":                           {body: `{"name":"Mine"}`},
	"DELETE /v1/sequences/{id}":                          {},
	"POST /v1/sequences/{id}/pause":                      {},
	"POST /v1/sequences/{id}/resume":                     {},
	"POST /v1/sequences/{id}/subscribers":                {body: `{"to":"+447700907008"}`},
	"DELETE /v1/sequences/{id}/subscribers/{identifier}": {},

	"GET /v1/templates":     {query: "channel=wa"},
	"POST /v1/media":        {body: "a file of one's own"},
	"DELETE /v1/media/{id}": {},

	"POST /v1/broadcasts/{id}/pause":  {body: `{"reason":"a stranger wants it"}`},
	"POST /v1/broadcasts/{id}/resume": {},
	"POST /v1/broadcasts/{id}/cancel": {},

	"POST /v1/optout-lists":                               {body: `{"name":"Mine","keywords":["hands up"]}`},
	"PATCH /v1/optout-lists/{list}":                       {body: `{"description":"mine now"}`},
	"DELETE /v1/optout-lists/{list}":                      {query: "name=Vault+of+Acme"},
	"POST /v1/optout-lists/{list}/near-misses/adopt":      {body: `{"text":"leave"}`},
	"POST /v1/optout-lists/{list}/entries":                {body: `{"to":"+447700907009","channel":"wa"}`},
	"DELETE /v1/optout-lists/{list}/entries/{id}":         {},
	"POST /v1/optout-lists/{list}/entries/delete":         {body: `{"ids":["{entries}"]}`},
	"POST /v1/optout-lists/{list}/deliveries/{id}/replay": {},
	"POST /v1/optout-lists/{list}/deliveries/replay":      {body: `{"status":"delivered"}`},
	"POST /v1/optout-lists/{list}/deliveries/test":        {},
	"POST /v1/optout-lists/{list}/webhook-secret":         {},
	"POST /v1/unsubscribe-links":                          {body: `{"list":"{list}","channel":"wa","recipients":["{phone}"]}`},

	"POST /v1/audiences":        {query: "channel=wa", body: "to\n+447700907010\n", kind: "text/csv"},
	"DELETE /v1/audiences/{id}": {},

	"POST /v1/imports":                       {query: "list={list}", body: "to,channel\n+447700907008,*\n", kind: "text/csv"},
	"POST /v1/people/{identifier}/optouts":   {body: `{"lists":["{list}"],"channel":"wa"}`},
	"DELETE /v1/people/{identifier}/optouts": {query: "lists={list}&channel=wa"},
	"GET /v1/why":                            {query: "channel=wa&to={phone}&category=marketing&lists={list}"},
	"POST /v1/keyword-replays":               {body: `{"keywords":["leave"],"list":"{list}"}`},

	"POST /v1/blacklist":          {body: `{"to":"+447700907009","channel":"wa"}`},
	"DELETE /v1/blacklist/{id}":   {},
	"POST /v1/blacklist/delete":   {body: `{"ids":["{blacklist}"]}`},
	"POST /v1/contacts":           {body: `{"to":"{phone}","tags":["mine"]}`},
	"PATCH /v1/contacts/{id}":     {body: `{"name":"Mine"}`},
	"DELETE /v1/contacts/{id}":    {},
	"POST /v1/segments":           {body: `{"name":"Mine","conditions":[{"list":"{list}"}]}`},
	"PATCH /v1/segments/{id}":     {body: `{"name":"Mine"}`},
	"DELETE /v1/segments/{id}":    {},
	"GET /v1/segments/{id}/count": {query: "channel=wa"},
	"POST /v1/segments/count":     {query: "channel=wa", body: `{"conditions":[{"list":"{list}"}]}`},

	"GET /v1/tokens":         {query: "account=acme"},
	"POST /v1/tokens":        {query: "account=acme", body: `{"name":"mine","scopes":["admin"]}`},
	"DELETE /v1/tokens/{id}": {query: "account=acme"},
	"GET /v1/audit":          {query: "account=acme"},

	"GET /v1/ledger/verify":                     {},
	"POST /v1/ledger/verify":                    {body: `{}`},
	"POST /v1/dead/{partition}/{offset}/replay": {},
	"POST /v1/dead/replay":                      {body: `{}`},
}

// ownThings are the routes that show or make what is the caller's own, whoever calls.
var ownThings = []string{
	"GET /v1/webhook-secret", "POST /v1/media", "GET /v1/media", "GET /v1/optout-lists", "POST /v1/optout-lists", "GET /v1/imports", "GET /v1/broadcasts", "GET /v1/sequences", "GET /v1/ledger", "GET /v1/people/{identifier}",
	"GET /v1/blacklist", "POST /v1/blacklist/delete", "GET /v1/contacts", "POST /v1/contacts", "GET /v1/segments", "GET /v1/audiences", "GET /v1/channels",
}

// request asks a route for acme's things.
func (v *vault) request(t *testing.T, r apitest.Route) asked {
	t.Helper()
	name := r.Method + " " + r.Path
	with, known := wanted[name]
	if !known && r.Method != http.MethodGet {
		t.Fatalf("wanted lacks %s: say how a stranger would ask for acme's things there", name)
	}
	fill := func(text string, escape func(string) string) string {
		text = strings.NewReplacer("{list}", escape(v.list), "{phone}", escape(shown(v.person))).Replace(text)
		for kind, id := range v.ids {
			text = strings.ReplaceAll(text, "{"+kind+"}", escape(id))
		}
		return text
	}
	ask := asked{
		method: r.Method, target: v.path(t, r.Path), body: fill(with.body, func(text string) string { return text }), kind: with.kind,
		toStrangers: []int{http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
	}
	if with.query != "" {
		ask.target += "?" + fill(with.query, url.QueryEscape)
	}
	if slices.Contains(ownThings, name) {
		ask.toStrangers = []int{http.StatusOK, http.StatusCreated}
	}
	return ask
}

// path fills a route's path with acme's ids.
func (v *vault) path(t *testing.T, pattern string) string {
	t.Helper()
	before, path := "", ""
	for part := range strings.SplitSeq(strings.TrimPrefix(pattern, "/"), "/") {
		switch part {
		case "{id}":
			id, known := v.ids[before]
			if !known {
				t.Fatalf("%s: acme has none of its %s: fill the vault with one", pattern, before)
			}
			part = url.PathEscape(id)
		case "{list}":
			part = v.list
		case "{identifier}":
			part = url.PathEscape(shown(v.person))
		case "{topic}":
			part = "state"
		case "{profile}":
			part = "heap"
		case "{partition}", "{offset}":
			part = "0"
		}
		if strings.HasPrefix(part, "{") {
			t.Fatalf("%s: what is %s? Say what acme has there", pattern, part)
		}
		before, path = part, path+"/"+part
	}
	return path
}

// asks makes a request and gives its answer once it is certain.
func (w *world) asks(a asked, token string) (status int, answer string) {
	w.t.Helper()
	eventually(w.t, a.method+" "+a.target+" is answered", func() bool {
		var headers []string
		if a.kind != "" {
			headers = []string{"Content-Type", a.kind}
		}
		var body []byte
		if a.body != "" {
			body = []byte(a.body)
		}
		var raw []byte
		var header http.Header
		status, raw, header = fetch(a.method, "http://"+w.private+a.target, token, body, headers...)
		w.documented(apitest.Exchange{
			Method: a.method, Target: a.target, Asked: body, Kind: a.kind, Status: status, Header: header, Answer: raw})
		answer = string(raw)
		return status != 0 && status != http.StatusServiceUnavailable
	})
	return status, answer
}

// told gives what an answer tells of acme that its request did not; "" where it tells nothing.
func (v *vault) told(a asked, answer string) string {
	given, err := url.QueryUnescape(strings.ReplaceAll(a.target, "+", "%2B") + " " + a.body)
	if err != nil {
		given = a.target + " " + a.body
	}
	for _, marker := range v.markers {
		if strings.Contains(answer, marker) && !strings.Contains(given, marker) {
			return marker
		}
	}
	return ""
}

// stateOf gives the states whose keys name an account, as they are now.
func (w *world) stateOf(account string) map[string]string {
	w.t.Helper()
	states := map[string]string{}
	for _, r := range w.tail("state") {
		switch {
		case !strings.HasSuffix(r.Key, account) && !strings.Contains(r.Key, account+"/"):
		case string(r.Value) == "null":
			delete(states, r.Key)
		default:
			states[r.Key] = string(r.Value)
		}
	}
	return states
}

// isThere checks that acme itself is shown what strangers asked for: else nobody finding it would mean nothing.
func (v *vault) isThere(w *world, routes []apitest.Route) {
	w.t.Helper()
	for _, r := range routes {
		if r.Method != http.MethodGet || r.Scope == "operator" {
			continue
		}
		if status, answer := w.asks(v.request(w.t, r), acmeToken); status != http.StatusOK {
			w.t.Errorf("%s %s: acme itself is answered with %d: %.300s", r.Method, r.Path, status, answer)
		}
	}
}
