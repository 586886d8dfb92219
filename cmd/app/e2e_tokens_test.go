package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// madeToken is a token as it was made.
type madeToken struct{ ID, Name, Status, Token string }

// makeToken makes a token of acme; expires may be the zero time.
func (w *world) makeToken(name string, expires time.Time, scopes ...string) (made madeToken) {
	w.t.Helper()
	body := map[string]any{"name": name, "scopes": scopes}
	if !expires.IsZero() {
		body["expires_at"] = expires.UTC().Format(time.RFC3339Nano)
	}
	if status, answer := w.certainly(http.MethodPost, "/v1/tokens", acmeToken, body, &made); status != http.StatusCreated || made.Token == "" {
		w.t.Fatalf("token %s: %d %s", name, status, answer)
	}
	return made
}

// certainly calls the private listener until its answer is certain: owners come and go.
func (w *world) certainly(method, path, token string, in, out any) (status int, answer string) {
	w.t.Helper()
	eventually(w.t, method+" "+path+" is answered", func() bool {
		status, answer = w.api(method, path, token, in, out)
		return status != 0 && status != http.StatusServiceUnavailable
	})
	return status, answer
}

// admits says how a gateway answers a token, once it is certain.
func (w *world) admits(token string) int {
	w.t.Helper()
	status, _ := w.certainly(http.MethodGet, "/v1/optout-lists", token, nil, nil)
	return status
}

// TestTokensLetInUntilTheyAreRevokedOnEveryGateway makes tokens at one gateway of two, and uses them at both, through a restart
// and a wipe of Redis.
func TestTokensLetInUntilTheyAreRevokedOnEveryGateway(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		if len(on.kafka) == 0 {
			on.kafka = []string{beside(t).Kafka}
		}
		if len(on.redis) == 0 {
			on.redis = []string{beside(t).Redis}
		}
		w := begin(t, on)
		twin := w.twin()
		twin.start()
		t.Cleanup(twin.stop)
		both := []*world{w, twin}

		for n := range 10 { // whoever was told of a change finds it in the audit, at any gateway
			both[n%2].auditTells(w.makeToken(fmt.Sprint("audited ", n), time.Time{}, "read").ID, "POST /v1/tokens")
		}
		crm := w.makeToken("crm", time.Time{}, "read")
		ends := time.Now().Add(5 * time.Second)
		brief := twin.makeToken("brief", ends, "read")
		for i, g := range both {
			for _, made := range []madeToken{crm, brief} {
				if status := g.admits(made.Token); status != http.StatusOK && time.Now().Before(ends) {
					t.Errorf("gateway %d answers %s at once with %d", i, made.Name, status)
				}
			}
			if status, answer := g.certainly(http.MethodGet, "/v1/tokens", crm.Token, nil, nil); status != http.StatusForbidden {
				t.Errorf("a token that may read lists tokens: %d %s", status, answer)
			}
		}
		quiet(t, time.Until(ends))
		for i, g := range both {
			if status := g.admits(brief.Token); status != http.StatusUnauthorized {
				t.Errorf("gateway %d answers who has expired with %d", i, status)
			}
		}

		on.flush(t)
		for i, g := range both {
			if status := g.admits(crm.Token); status != http.StatusOK {
				t.Fatalf("after a wipe gateway %d answers with %d", i, status)
			}
		}
		w.stop()
		w.start()
		if status := w.admits(crm.Token); status != http.StatusOK {
			t.Errorf("after a restart: %d", status)
		}

		if status, answer := w.certainly(http.MethodDelete, "/v1/tokens/"+crm.ID, acmeToken, nil, nil); status != http.StatusOK {
			t.Fatalf("revoke: %d %s", status, answer)
		}
		revoked := time.Now()
		for i, g := range both {
			for status := 0; status != http.StatusUnauthorized; {
				asked := time.Now()
				if status, _ = g.api(http.MethodGet, "/v1/optout-lists", crm.Token, nil, nil); status == http.StatusOK && asked.Sub(revoked) > time.Second {
					t.Fatalf("gateway %d lets in %v after the revocation", i, asked.Sub(revoked))
				}
			}
		}
		on.flush(t)
		w.stop()
		w.start()
		for i, g := range both {
			if status := g.admits(crm.Token); status != http.StatusUnauthorized {
				t.Fatalf("gateway %d answers who was revoked with %d", i, status)
			}
		}
		w.auditTells(crm.ID, "POST /v1/tokens", "DELETE /v1/tokens/{id}")
		w.nowhere(crm.Token, brief.Token)
	})
}

// auditTells checks that acme's audit holds a change of something by each of these routes.
func (w *world) auditTells(id string, routes ...string) {
	w.t.Helper()
	told := map[string]bool{}
	w.pages("/v1/audit", acmeToken, func(raw json.RawMessage) {
		var e struct {
			Route string
			What  map[string]string
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			w.t.Fatal(err)
		}
		if e.What["id"] == id {
			told[e.Route] = true
		}
	})
	for _, route := range routes {
		if !told[route] {
			w.t.Errorf("the audit lacks %s of %s", route, id)
		}
	}
}

// nowhere checks that secrets stand neither in Kafka nor in a log.
func (w *world) nowhere(secrets ...string) {
	w.t.Helper()
	places := map[string]string{"the log": w.log.String()}
	for _, topic := range []string{"commands", "state", "consent", "events", "dead"} {
		_, places[topic] = w.api(http.MethodGet, "/v1/tail/"+topic, operatorToken, nil, nil)
	}
	for place, text := range places {
		for _, secret := range secrets {
			if strings.Contains(text, secret[len(secret)-43:]) {
				w.t.Errorf("a token's secret stands in %s", place)
			}
		}
	}
}
