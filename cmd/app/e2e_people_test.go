package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// known is the answer of /v1/people.
type known struct {
	Known   bool
	To      string
	Optouts []struct{ To, List, Channel, Reason string }
	Aliases []struct{ To string }
}

// personOf asks about somebody by any identifier.
func (w *world) personOf(identifier string) (p known) {
	w.t.Helper()
	if status, answer := w.api(http.MethodGet, "/v1/people/"+url.PathEscape(identifier), acmeToken, nil, &p); status != http.StatusOK {
		w.t.Errorf("%d %s", status, answer)
	}
	return p
}

// TestReportsAndOperatorsKnowThePersonBehindTheNumber tells of a STOP under an identifier that the broadcast doesn't name:
// its report says by what and by which link, an operator sees the whole person and lifts one identifier or all.
func TestReportsAndOperatorsKnowThePersonBehindTheNumber(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		ada, stranger := both(7600), person(7601)
		w.deliver(fake.Text(acme, ada, "hello", time.Now()))
		w.says(bsuidOf(ada), "STOP")
		w.barred(phoneOf(ada))
		r, _ := w.why("acme", phoneOf(ada))
		if r.Link == nil || r.Link.To != ada.BSUID || r.Link.By != "webhook" {
			t.Errorf("why: %+v", r)
		}
		id := w.broadcast([]fake.Person{phoneOf(ada), stranger}, nil)
		w.finished("acme", id)
		row := w.report("acme", id)[shown(phoneOf(ada))]
		for _, words := range []string{"On the list Default for channel wa since ", `by the word "stop"`, "under another number or id", "by webhook."} {
			if row.Error != "Optout Number" || row.List != "default" || !strings.Contains(row.Reason, words) || strings.Contains(row.Reason, ada.BSUID) {
				t.Errorf("row %+v says nothing of %q", row, words)
			}
		}
		for _, identifier := range []string{"+" + ada.Phone, "0" + ada.Phone[2:], ada.BSUID} {
			if p := w.personOf(identifier); !p.Known || len(p.Aliases) != 2 || len(p.Optouts) != 2 {
				t.Errorf("%s: %+v", identifier, p)
			}
		}
		path := "/v1/people/" + url.PathEscape("+"+ada.Phone) + "/optouts"
		var lifted struct {
			Changed int
			Linked  []struct {
				To      string
				Optouts []struct{ List string }
			}
		}
		w.api(http.MethodDelete, path+"?lists=default&channel=wa", acmeToken, nil, &lifted)
		if lifted.Changed != 1 || len(lifted.Linked) != 1 || lifted.Linked[0].To != ada.BSUID || len(lifted.Linked[0].Optouts) != 1 {
			t.Errorf("lifted: %+v", lifted)
		}
		w.allowed(phoneOf(ada))
		w.barred(bsuidOf(ada))
		w.api(http.MethodDelete, path, acmeToken, map[string]any{"lists": []string{"default"}, "channel": "*", "aliases": true}, &lifted)
		w.allowed(phoneOf(ada), bsuidOf(ada))
		if lifted.Changed != 1 {
			t.Errorf("lifted with aliases: %+v", lifted)
		}
	})
}

// TestARacedEntryHasOneStory lets ten callers add and remove one entry at once. Each one told that it changed the entry
// did; a key's repeat after a restart is answered as before and changes nothing.
func TestARacedEntryHasOneStory(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		who := shown(person(7610))
		base := "http://" + w.private + "/v1/optout-lists/default/entries"
		add := func(key string) (int, string) {
			status, answer, _ := fetch(http.MethodPost, base, acmeToken, fmt.Appendf(nil, `{"to":%q,"channel":"wa"}`, who), "Idempotency-Key", key)
			return status, string(answer)
		}
		status, first := add("first")
		var entry struct{ ID string }
		if err := json.Unmarshal([]byte(first), &entry); err != nil || status != http.StatusCreated {
			t.Fatalf("%d %s", status, first)
		}
		var racing sync.WaitGroup
		told := make([]int, 10)
		for i := range told {
			racing.Go(func() {
				if i%2 == 0 {
					told[i], _, _ = fetch(http.MethodDelete, base+"/"+entry.ID, acmeToken, nil)
				} else {
					told[i], _ = add(fmt.Sprint("race", i))
				}
			})
		}
		racing.Wait()
		removed := 0
		for _, status := range told {
			switch status {
			case http.StatusOK:
				removed++
			case http.StatusCreated, http.StatusNotFound, http.StatusConflict:
			default:
				t.Errorf("somebody was told %d", status)
			}
		}
		r, _ := w.why("acme", person(7610))
		lifts := 0
		for _, step := range r.History {
			if step.To == "in" {
				lifts++
			}
		}
		if lifts != removed {
			t.Errorf("%d were told that they removed it, %d rows of the ledger say so", removed, lifts)
		}
		_, _, _ = fetch(http.MethodDelete, base+"/"+entry.ID, acmeToken, nil)
		w.stop()
		w.start()
		if status, again := add("first"); status != http.StatusCreated || again != first {
			t.Errorf("again after a restart: %d %s", status, again)
		}
		w.allowed(person(7610))
	})
}
