package api_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"optgate/gateway/api"
	"optgate/pipeline/fault"
)

// madeToken is a token as the API answers it.
type madeToken struct {
	ID, Name, Source, Status string
	Scopes                   []string
	Expires                  *string `json:"expires_at"`
	Revoked                  *string `json:"revoked_at"`
	By                       *string
	Operator                 bool `json:"by_operator"`
	Token                    *string
}

// clocked is a world whose API's time goes as a test says.
func clocked(t *testing.T) (w *world, wait func(time.Duration)) {
	t.Helper()
	var mu sync.Mutex
	at := now
	w = newWorld(t, func(o *api.Options) {
		o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return at
		}
	})
	return w, func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(d)
	}
}

// makeToken makes a token of acme with its admin's.
func (w *world) makeToken(t *testing.T, body string, headers ...string) (made madeToken) {
	t.Helper()
	w.call(t, "acme-admin", "POST", "/v1/tokens", body, headers...).is(201, "").into(&made)
	return made
}

func (w *world) tokens(t *testing.T, token, path string) (all []madeToken) {
	t.Helper()
	var page struct {
		Data []madeToken
		Next string
	}
	w.call(t, token, "GET", path, "").is(200, "").into(&page)
	return page.Data
}

func TestATokenLetsInUntilItIsRevoked(t *testing.T) {
	w, wait := clocked(t)
	made := w.makeToken(t, `{"name":" crm ","scopes":["send","read","read"]}`)
	if made.Token == nil || !strings.HasPrefix(*made.Token, "og_") || made.Name != "crm" || made.Source != "api" || made.Status != "live" ||
		*made.By != "all" || made.Operator || !slices.Equal(made.Scopes, []string{"read", "send"}) {
		t.Fatalf("%+v", made)
	}
	w.call(t, *made.Token, "GET", "/v1/optout-lists", "").is(200, "")
	w.call(t, *made.Token, "POST", "/v1/optout-lists/default/entries", `{}`).is(403, "forbidden")
	w.call(t, *made.Token, "POST", "/v1/tokens", `{"name":"more","scopes":["read"]}`).is(403, "forbidden")
	w.call(t, *made.Token, "GET", "/v1/audit", "").is(403, "forbidden")
	w.call(t, "acme-read", "GET", "/v1/tokens", "").is(403, "forbidden")

	wait(time.Minute)
	for range 2 {
		var revoked madeToken
		w.call(t, "acme-admin", "DELETE", "/v1/tokens/"+made.ID, "").is(200, "").into(&revoked)
		if revoked.Status != "revoked" || *revoked.Revoked != "2026-11-22T12:01:00.000Z" {
			t.Errorf("%+v", revoked)
		}
		wait(time.Minute)
	}
	gone := w.call(t, *made.Token, "GET", "/v1/optout-lists", "").is(401, "unauthorized")
	unknown := w.call(t, "nobody's", "GET", "/v1/optout-lists", "").is(401, "unauthorized")
	if string(gone.body) != string(unknown.body) {
		t.Errorf("revoked: %s, unknown: %s", gone.body, unknown.body)
	}
	w.call(t, "acme-admin", "DELETE", "/v1/tokens/tok_none", "").is(404, "unknown_token")
	if said := w.log.String(); strings.Contains(said, (*made.Token)[3:]) || strings.Contains(said, (*made.Token)[len(*made.Token)-43:]) {
		t.Error("a secret stands in the log")
	}
	for _, log := range w.logs["commands"] {
		for _, r := range log {
			if strings.Contains(string(r.Value), (*made.Token)[len(*made.Token)-43:]) {
				t.Error("a secret stands in Kafka")
			}
		}
	}
}

func TestATokenEndsOnTheDot(t *testing.T) {
	w, wait := clocked(t)
	made := w.makeToken(t, `{"name":"brief","scopes":["read"],"expires_at":"2026-11-22T13:00:00+00:00"}`)
	wait(time.Hour - time.Millisecond)
	w.call(t, *made.Token, "GET", "/v1/optout-lists", "").is(200, "")
	wait(time.Millisecond)
	w.call(t, *made.Token, "GET", "/v1/optout-lists", "").is(401, "unauthorized")
	if all := w.tokens(t, "acme-admin", "/v1/tokens"); all[len(all)-1].Status != "expired" || *all[len(all)-1].Expires != "2026-11-22T13:00:00.000Z" {
		t.Errorf("%+v", all)
	}
	w.makeToken(t, `{"name":"brief","scopes":["read"]}`) // its name is free again
}

func TestTokensAreListedWithoutTheirSecrets(t *testing.T) {
	w := newWorld(t, nil)
	made := w.makeToken(t, `{"name":"crm","scopes":["admin"]}`)
	list := w.call(t, *made.Token, "GET", "/v1/tokens", "").is(200, "")
	if body := string(list.body); strings.Contains(body, "acme-") || strings.Contains(body, "og_") || strings.Contains(body, "sum") {
		t.Errorf("too much: %s", body)
	}
	var names []string
	for _, one := range w.tokens(t, *made.Token, "/v1/tokens") {
		names = append(names, one.Source+" "+one.ID)
	}
	want := []string{"configuration configuration:all", "configuration configuration:reader", "configuration configuration:lister", "api " + made.ID}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	var page struct {
		Data []madeToken
		Next *string
	}
	w.call(t, "acme-admin", "GET", "/v1/tokens?limit=1", "").is(200, "").into(&page)
	w.call(t, "acme-admin", "GET", "/v1/tokens?limit=3&after="+*page.Next, "").is(200, "").into(&page)
	if len(page.Data) != 3 || page.Data[0].Name != "reader" || page.Next != nil {
		t.Errorf("%+v", page)
	}
	w.call(t, "acme-admin", "GET", "/v1/tokens?after=nobody", "").is(400, "invalid_field")
	w.call(t, "acme-admin", "DELETE", "/v1/tokens/configuration:reader", "").is(409, "declared_in_configuration")
	w.call(t, "acme-admin", "DELETE", "/v1/tokens/configuration:root", "").is(404, "unknown_token")
	w.call(t, "acme-read", "GET", "/v1/optout-lists", "").is(200, "")
}

func TestWhatIsNoTokenIsRefusedFieldByField(t *testing.T) {
	w := newWorld(t, nil)
	f := func(body string, status int, code string, fields ...string) {
		t.Helper()
		r := w.call(t, "acme-admin", "POST", "/v1/tokens", body).is(status, code)
		if got := r.fields(); !slices.Equal(got, fields) {
			t.Errorf("%s: %q", body, got)
		}
	}
	f(`{}`, 422, "invalid_fields", "name required", "scopes required")
	f(`{"name":"  ","scopes":["root","read","operator"],"expires_at":"soon"}`, 422, "invalid_fields",
		"name required", "scopes[0] unknown_scope", "scopes[2] unknown_scope", "expires_at not_a_time")
	f(`{"name":"`+strings.Repeat("ä", 65)+`","scopes":["read"]}`, 422, "invalid_field", "name too_long")
	f(`{"name":"a\u0007b","scopes":["read"]}`, 422, "invalid_field", "name not_printable")
	f(`{"name":"a\u202eb","scopes":["read"]}`, 422, "invalid_field", "name not_printable")
	f(`{"name":"a","scopes":["read"],"expires_at":"2026-11-22T12:00:00Z"}`, 422, "invalid_field", "expires_at expired")
	f(`{"name":"a","scopes":["x"`+strings.Repeat(`,"x"`, 5000)+`]}`, 422, "invalid_field", "scopes too_many")
	f(`{"name":"a","scopes":["read"],"token":"mine"}`, 422, "invalid_field", "token unknown_field")
	f(`{"name":"a","scopes":"read"}`, 422, "invalid_field", "scopes wrong_type")
	f(`{"name":"reader","scopes":["read"]}`, 409, "name_taken") // the configuration's
	w.makeToken(t, `{"name":"`+strings.Repeat("ä", 64)+`","scopes":["read"]}`)
	w.makeToken(t, `{"name":"crm","scopes":["read"]}`)
	f(`{"name":"crm","scopes":["read"]}`, 409, "name_taken")
}

func TestASecretIsShownOnceHoweverOftenTheCallIsRepeated(t *testing.T) {
	w := newWorld(t, nil)
	var wg sync.WaitGroup
	made := make([]madeToken, 8)
	for i := range made {
		wg.Go(func() { made[i] = w.makeToken(t, `{"name":"crm","scopes":["read"]}`, "Idempotency-Key", "k") })
	}
	wg.Wait()
	shown := 0
	for _, one := range made {
		if one.ID != made[0].ID {
			t.Errorf("%s and %s", one.ID, made[0].ID)
		}
		if one.Token != nil {
			shown++
			w.call(t, *one.Token, "GET", "/v1/optout-lists", "").is(200, "")
		}
	}
	if shown != 1 || len(w.tokens(t, "acme-admin", "/v1/tokens")) != 4 {
		t.Errorf("the secret is shown %d times", shown)
	}
	for _, name := range []string{"crm", "another"} {
		w.call(t, "acme-admin", "POST", "/v1/tokens", `{"name":"`+name+`","scopes":["send"]}`, "Idempotency-Key", "k").is(422, "idempotency_key_reused")
	}
	w.call(t, "acme-admin", "POST", "/v1/tokens", `{"name":"x","scopes":["send"]}`, "Idempotency-Key", strings.Repeat("k", 256)).
		is(400, "invalid_idempotency_key")
}

func TestATokenThatIsNotDecidedYetIsPending(t *testing.T) {
	w := newWorld(t, nil)
	w.mu.Lock()
	w.held = true
	w.mu.Unlock()
	var made madeToken
	w.call(t, "acme-admin", "POST", "/v1/tokens", `{"name":"crm","scopes":["read"]}`).is(202, "").into(&made)
	if made.Status != "pending" || made.Token == nil {
		t.Fatalf("%+v", made)
	}
	w.call(t, *made.Token, "GET", "/v1/optout-lists", "").is(401, "unauthorized")
	w.call(t, "acme-admin", "DELETE", "/v1/tokens/"+made.ID, "").is(202, "")
}

func TestAnOperatorMakesAndRevokesTokensOfTheAccountsHeNames(t *testing.T) {
	w := newWorld(t, nil)
	f := func(token, method, path string, status int, code string) reply {
		t.Helper()
		return w.call(t, token, method, path, `{"name":"key of last resort","scopes":["admin"]}`).is(status, code)
	}
	f("operator", "POST", "/v1/tokens", 400, "invalid_field")
	f("operator", "POST", "/v1/tokens?account=initech", 404, "unknown_account")
	f("acme-admin", "POST", "/v1/tokens?account=globex", 404, "unknown_account")
	f("acme-admin", "GET", "/v1/tokens?account=globex", 404, "unknown_account")
	f("acme-admin", "GET", "/v1/audit?account=globex", 404, "unknown_account")
	f("acme-admin", "GET", "/v1/tokens?account=acme", 200, "")
	var made madeToken
	f("operator", "POST", "/v1/tokens?account=acme", 201, "").into(&made)
	if !made.Operator || *made.By != "root" {
		t.Errorf("%+v", made)
	}
	f(*made.Token, "GET", "/v1/tokens", 200, "")
	f(*made.Token, "GET", "/v1/dead", 403, "forbidden")
	f("globex-admin", "DELETE", "/v1/tokens/"+made.ID, 404, "unknown_token")
	f("operator", "DELETE", "/v1/tokens/"+made.ID+"?account=globex", 404, "unknown_token")
	f(*made.Token, "DELETE", "/v1/tokens/"+made.ID, 200, "") // its own
	f(*made.Token, "GET", "/v1/tokens", 401, "unauthorized")
	if all := w.tokens(t, "operator", "/v1/tokens?account=acme"); len(all) != 4 || all[3].Status != "revoked" {
		t.Errorf("%+v", all)
	}
}

func TestWhereTokensCantBeReadNobodyIsSentAway(t *testing.T) {
	w := newWorld(t, nil)
	made := w.makeToken(t, `{"name":"crm","scopes":["read"]}`)
	w.failed = fault.Wrap(errors.New("dial 10.0.0.1: refused"), fault.NotCertain, "not_certain", "Nobody can know.")
	r := w.call(t, *made.Token, "GET", "/v1/optout-lists", "").is(503, "not_certain")
	if r.header.Get("Retry-After") == "" || strings.Contains(string(r.body), "10.0.0.1") {
		t.Errorf("%v %s", r.header, r.body)
	}
	w.failed = errors.New("dial 10.0.0.1: refused")
	w.call(t, *made.Token, "GET", "/v1/optout-lists", "").is(503, "not_certain")
	w.call(t, "og_aW5pdGVjaA_"+(*made.Token)[len(*made.Token)-43:], "GET", "/v1/optout-lists", "").is(401, "unauthorized")
	w.call(t, "operator", "GET", "/v1/dead", "").is(200, "")
}

// TestStrangersShareOneWindow: who guesses at secrets takes no call from who has a token, and makes nobody remember names.
func TestStrangersShareOneWindow(t *testing.T) {
	counted := map[string]int{}
	w := newWorld(t, func(o *api.Options) { o.Windows = countingWindows(counted) })
	made := w.makeToken(t, `{"name":"crm","scopes":["read"]}`)
	secret := (*made.Token)[len(*made.Token)-43:]
	for _, token := range []string{"", "x", "og_", "og_aW5pdGVjaA_" + secret, "og_Z2xvYmV4_" + secret, *made.Token + "x", strings.ToUpper(*made.Token)} {
		w.call(t, token, "GET", "/v1/optout-lists", "").is(401, "unauthorized")
	}
	w.call(t, *made.Token, "GET", "/v1/optout-lists", "").is(200, "")
	if len(counted) != 3 || counted["api//"] != 7 || counted["api/acme/crm"] != 1 || counted["api/acme/all"] != 1 {
		t.Errorf("%v", counted)
	}
}
