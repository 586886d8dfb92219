package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// posted is one post that a receiver got.
type posted struct {
	header http.Header
	body   string
}

// receiver is a customer's program behind a list's webhook URL.
type receiver struct {
	url string

	mu     sync.Mutex
	posts  []posted
	answer http.HandlerFunc // nil: 200
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.posts = append(r.posts, posted{request.Header, string(body)})
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(w, request)
		}
	}))
	t.Cleanup(s.Close)
	r.url = s.URL + "/hook?token=query-secret-of-the-otter"
	return r
}

func (r *receiver) answers(with http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = with
}

func (r *receiver) got() []posted {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posts)
}

// verified says whether a post's signature is one that this secret makes, written from the specification of Standard Webhooks.
func (p posted) verified(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	at, bad := strconv.ParseInt(p.header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil || bad != nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", p.header.Get("Webhook-Id"), at, p.body)
	for signature := range strings.FieldsSeq(p.header.Get("Webhook-Signature")) {
		if version, text, ok := strings.Cut(signature, ","); ok && version == "v1" {
			if given, err := base64.StdEncoding.DecodeString(text); err == nil && hmac.Equal(given, mac.Sum(nil)) {
				return true
			}
		}
	}
	return false
}

// feeds lets calls go to this machine, where the tests' receivers are.
func (w *world) feeds() *world {
	w.settings["webcall"] = map[string]any{"allow": []any{"127.0.0.0/8"}}
	return w
}

// listWith makes a list with a webhook URL and gives its id.
func (w *world) listWith(name, keyword, url string) string {
	w.t.Helper()
	var made struct{ ID string }
	status, answer := w.api(http.MethodPost, "/v1/optout-lists", acmeToken, map[string]any{
		"name": name, "keywords": []string{keyword}, "webhook_url": url, "channels": []string{"*"}, "feed_removals": true,
	}, &made)
	if status != http.StatusCreated {
		w.t.Fatalf("list: %d %s", status, answer)
	}
	quiet(w.t, 1200*time.Millisecond) // inbound may know the account's keywords of a second ago
	return made.ID
}

// delivery is what the API shows of one.
type delivery struct {
	ID, Status, Action string
	Tries              int
	Error              *string
	Attempts           []struct{ Error *string }
	Body               json.RawMessage
}

func (w *world) deliveries(list string) (all []delivery) {
	w.t.Helper()
	w.pages("/v1/optout-lists/"+list+"/deliveries", acmeToken, func(raw json.RawMessage) {
		var d delivery
		if err := json.Unmarshal(raw, &d); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, d)
	})
	return all
}

// TestEachChangeIsPostedOnceAndSigned follows a STOP, an entry by API and its removal to the list's webhook URL.
func TestEachChangeIsPostedOnceAndSigned(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		r := newReceiver(t)
		w := newWorld(t, on, nil).feeds()
		w.start()
		list := w.listWith("Otter news", "NO OTTERS", r.url)
		w.says(fake.Person{Phone: "447700900001", BSUID: "GB.900001"}, "no otters!")
		eventually(t, "the STOP is posted", func() bool { return len(r.got()) > 0 })
		var secret struct{ Secret string }
		w.api(http.MethodGet, "/v1/optout-lists/"+list+"/webhook-secret", acmeToken, nil, &secret)
		first := r.got()[0]
		form := regexp.MustCompile(`^\{"opt_list_name":"Otter news","mobile":447700900001,"email":"","channel_id":101,"action":"optout",` +
			`"at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","source":"message","id":"(fd-\d+-[0-9a-f]{24})"\}$`)
		id := form.FindStringSubmatch(first.body)
		if id == nil || first.header.Get("Webhook-Id") != id[1] || first.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s under %q", first.body, first.header.Get("Webhook-Id"))
		}
		if !first.verified(secret.Secret) || first.verified("whsec_"+base64.StdEncoding.EncodeToString([]byte("another secret of 24 b."))) {
			t.Errorf("the signature %q", first.header.Get("Webhook-Signature"))
		}
		var entry struct{ ID string }
		if status, answer := w.api(http.MethodPost, "/v1/optout-lists/"+list+"/entries", acmeToken, map[string]any{"email": "Otter@Example.com", "channel": "*"}, &entry); status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
		eventually(t, "the entry is posted", func() bool { return len(r.got()) > 1 })
		w.api(http.MethodDelete, "/v1/optout-lists/"+list+"/entries/"+entry.ID, acmeToken, nil, nil)
		eventually(t, "its removal is posted", func() bool { return len(r.got()) > 2 })
		for i, want := range []string{`"email":"Otter@example.com","channel_id":null,"action":"optout"`, `"action":"optin"`} {
			if body := r.got()[i+1].body; !strings.Contains(body, want) || !strings.Contains(body, `"mobile":null`) {
				t.Errorf("%s lacks %s", body, want)
			}
		}
		eventually(t, "all are delivered", func() bool {
			all := w.deliveries(list)
			return len(all) == 3 && !slices.ContainsFunc(all, func(d delivery) bool { return d.Status != "delivered" || d.Tries != 1 })
		})
		quiet(t, 1500*time.Millisecond)
		if n := len(r.got()); n != 3 {
			t.Errorf("%d posts for three changes", n)
		}
	})
}

// TestAFeedOutlivesItsGateway kills the gateway while its receiver hangs, and wipes the view: what was not taken is posted
// again, under the same id.
func TestAFeedOutlivesItsGateway(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		r := newReceiver(t)
		hang := make(chan struct{})
		t.Cleanup(func() { close(hang) })
		r.answers(func(_ http.ResponseWriter, request *http.Request) {
			select {
			case <-hang:
			case <-request.Context().Done():
			}
		})
		w := newWorld(t, on, nil).feeds()
		c := w.spawn()
		list := w.listWith("Otter news", "NO OTTERS", r.url)
		w.says(person(1), "no otters")
		eventually(t, "it is being posted", func() bool { return len(r.got()) == 1 })
		c.kill()
		r.answers(nil)
		w.spawn()
		within(t, 30*time.Second, "it is delivered", func() bool {
			all := w.deliveries(list)
			return len(all) == 1 && all[0].Status == "delivered"
		})
		for _, p := range r.got() {
			if p.header.Get("Webhook-Id") != w.deliveries(list)[0].ID {
				t.Errorf("posted under %q", p.header.Get("Webhook-Id"))
			}
		}
	})
}

// TestAHostileReceiverHarmsNobody lets receivers fail in every way beside one that is well.
func TestAHostileReceiverHarmsNobody(t *testing.T) {
	together(t)
	well, inside := newReceiver(t), newReceiver(t)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	hostile := map[string]http.HandlerFunc{
		"status_500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"redirect": func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, inside.url, http.StatusTemporaryRedirect)
		},
		"timeout": func(_ http.ResponseWriter, q *http.Request) {
			select {
			case <-hang:
			case <-q.Context().Done():
			}
		},
		"": func(w http.ResponseWriter, _ *http.Request) { // a gigabyte
			for block := make([]byte, 1<<20); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
	}
	w := newWorld(t, servers{}, nil).feeds()
	w.start()
	lists := map[string]string{}
	for want, answer := range hostile {
		r := newReceiver(t)
		r.answers(answer)
		lists[want] = w.listWith("List "+want, "NO OTTERS", r.url)
	}
	good := w.listWith("Well", "NO OTTERS", well.url)
	w.says(person(1), "no otters")
	eventually(t, "the one that is well is told", func() bool { return len(well.got()) == 1 })
	for want, list := range lists {
		within(t, 30*time.Second, "it has been tried: "+want, func() bool {
			all := w.deliveries(list)
			if len(all) != 1 || all[0].Tries == 0 {
				return false
			}
			if want == "" {
				return all[0].Status == "delivered"
			}
			return all[0].Status == "pending" && all[0].Error != nil && *all[0].Error == want
		})
	}
	if n := len(inside.got()); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
	var test struct {
		Delivered bool
		Error     *string
	}
	w.api(http.MethodPost, "/v1/optout-lists/"+lists["redirect"]+"/deliveries/test", acmeToken, nil, &test)
	if test.Delivered || test.Error == nil || *test.Error != "redirect" {
		t.Errorf("%+v", test)
	}
	w.api(http.MethodPost, "/v1/optout-lists/"+good+"/deliveries/test", acmeToken, nil, &test)
	if !test.Delivered || !strings.Contains(well.got()[1].body, `"action":"test"`) {
		t.Errorf("%+v", test)
	}
	if text := w.log.String(); strings.Contains(text, "query-secret") {
		t.Error("a URL's query stands in the log")
	}
}
