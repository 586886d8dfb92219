package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"optgate/gateway/embedded"
	"optgate/gateway/meta/fake"
)

// TestAnUnsubscribeLinkTakesItsPersonOffTheSend tells of a link from its making to its press, and of one's second thoughts.
func TestAnUnsubscribeLinkTakesItsPersonOffTheSend(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, nil)
		w.settings["public"] = map[string]any{"listen": w.public, "base_url": "http://" + w.public}
		w.settings["operator"].(map[string]any)["name"] = "Otter & Sons"
		w.start()
		ada, ben := person(7700), person(7701)
		var made struct {
			Links []struct {
				To      string
				URL     string
				Headers map[string]string
			}
		}
		asked := map[string]any{"list": "default", "channel": "wa", "recipients": []string{"+" + ada.Phone, "+" + ben.Phone}}
		if status, answer := w.api(http.MethodPost, "/v1/unsubscribe-links", acmeToken, asked, &made); status != 200 || len(made.Links) != 2 {
			t.Fatalf("%d %s", status, answer)
		}
		link := made.Links[0].URL
		if made.Links[0].Headers["List-Unsubscribe"] != "<"+link+">" || made.Links[0].To != shown(ada) {
			t.Errorf("%+v", made.Links[0])
		}

		// A mail scanner opens everything. A person reads.
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			status, page, _ := fetch(method, link, "", nil)
			if status != 200 || method == http.MethodGet && (!strings.Contains(string(page), "Otter &amp; Sons") || !strings.Contains(string(page), "the number ending in 00")) {
				t.Errorf("%s: %d %s", method, status, page)
			}
		}
		w.allowed(ada)

		press := func(body string) {
			t.Helper()
			if status, page, _ := fetch(http.MethodPost, link, "", []byte(body)); status != 200 || !strings.Contains(string(page), "You will get no more messages from us") {
				t.Errorf("%d %s", status, page)
			}
		}
		press("List-Unsubscribe=One-Click")
		w.barred(ada)
		if r, _ := w.why("acme", ada); r.Source != "link" || r.Rule != "one-click" || r.List != "default" {
			t.Errorf("%+v", r)
		}
		if e := w.entries("acme", "default")[shown(ada)]; e.Source != "link" || e.Channel != "wa" {
			t.Errorf("%+v", e)
		}
		press("by=page") // once more is no more
		w.settled()
		if r, _ := w.why("acme", ada); r.Allowed || len(r.History) != 1 {
			t.Errorf("pressed twice: %+v", r)
		}
		if status, page, _ := fetch(http.MethodGet, link, "", nil); status != 200 || !strings.Contains(string(page), "They were stopped before") {
			t.Errorf("%d %s", status, page)
		}
		id := w.broadcast([]fake.Person{ada, ben}, nil)
		if now := w.finished("acme", id); now.Totals != (totals{Audience: 2, Skipped: 1, Sent: 1}) {
			t.Errorf("totals %+v", now.Totals)
		}

		w.says(ada, "START")
		w.allowed(ada)
		press("by=page")
		w.barred(ada)
		if r, _ := w.why("acme", ada); r.Rule != "page" || len(r.History) != 3 {
			t.Errorf("pressed after a START: %+v", r)
		}
		w.allowed(ben)
		if texts := w.confirmations(ada); len(texts) > 1 { // of START
			t.Errorf("%d messages confirm what the page did", len(texts)-1)
		}

		// A list of one's own, as long as it exists.
		var list struct{ ID string }
		if status, answer := w.api(http.MethodPost, "/v1/optout-lists", acmeToken, map[string]any{"name": "Offers"}, &list); status/100 != 2 {
			t.Fatalf("%d %s", status, answer)
		}
		eventually(t, "the list is known", func() bool {
			status, _ := w.api(http.MethodPost, "/v1/unsubscribe-links", acmeToken, map[string]any{"list": list.ID, "channel": "*", "recipients": []string{shown(ben)}}, &made)
			return status == 200
		})
		own := made.Links[0].URL
		eventually(t, "the link is known", func() bool {
			status, page, _ := fetch(http.MethodGet, own, "", nil)
			return status == 200 && strings.Contains(string(page), "<bdi>Offers</bdi>")
		})
		if status, answer := w.api(http.MethodDelete, "/v1/optout-lists/"+list.ID+"?name=Offers", acmeToken, nil, nil); status/100 != 2 {
			t.Errorf("%d %s", status, answer)
		}
		eventually(t, "the link of a deleted list says so", func() bool {
			status, page, _ := fetch(http.MethodPost, own, "", nil)
			return status == http.StatusGone && strings.Contains(string(page), "This list no longer exists")
		})

		// After a restart and for ever.
		w.stop()
		w.start()
		press("")
		if status, _, _ := fetch(http.MethodGet, link+"x", "", nil); status != 404 {
			t.Errorf("a changed link: %d", status)
		}
		if leaked := leak(w.log.String()+link, personal); leaked != "" {
			t.Errorf("%s", leaked)
		}
		if token := link[strings.LastIndex(link, "/")+1:]; strings.Contains(w.log.String(), token) {
			t.Error("the link stands in the log")
		}
	})
}

// TestAProcessThatOnlyTakesInAnswersLinks: of accounts and people it has nothing but the view, and another one decides.
func TestAProcessThatOnlyTakesInAnswersLinks(t *testing.T) {
	together(t)
	e, err := embedded.Start(embedded.Options{Dir: filepath.Join(t.TempDir(), "servers")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	w := newWorld(t, servers{kafka: []string{e.Kafka}, redis: []string{e.Redis}}, nil)
	w.settings["public"] = map[string]any{"listen": w.public, "base_url": "http://" + w.public}
	edge := w.twin()
	w.settings["roles"] = []any{"pipeline", "sender", "console"}
	edge.public, edge.settings["public"], edge.settings["roles"] = w.public, w.settings["public"], []any{"ingress"}
	w.start()
	edge.start()
	t.Cleanup(edge.stop)

	ada := person(7710)
	var made struct{ Links []struct{ URL string } }
	if status, answer := w.api(http.MethodPost, "/v1/unsubscribe-links", acmeToken, map[string]any{"list": "default", "channel": "*", "recipients": []string{shown(ada)}}, &made); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	if status, page, _ := fetch(http.MethodGet, made.Links[0].URL, "", nil); status != 200 || !strings.Contains(string(page), "on every channel") {
		t.Errorf("%d %s", status, page)
	}
	w.allowed(ada)
	if status, page, _ := fetch(http.MethodPost, made.Links[0].URL, "", nil); status != 200 {
		t.Errorf("%d %s", status, page)
	}
	w.barred(ada)

	// Without a view nobody can know whose link it is; the press is not lost, it is refused.
	w.stop()
	within(t, 10*time.Second, "leases run out", func() bool {
		status, _, header := fetch(http.MethodPost, made.Links[0].URL, "", nil)
		return status == http.StatusServiceUnavailable && header.Get("Retry-After") != ""
	})
}
