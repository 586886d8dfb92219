package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/gateway/api"
	"optgate/pipeline/feed"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Deliveries pages through a list's deliveries as the store does.
func (w *world) Deliveries(_ context.Context, l feed.List, statuses []feed.Status, after string, limit int) (page []feed.Delivery, next string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	place := func(d feed.Delivery) string { return fmt.Sprintf("%013d/%s", d.Made, d.ID) }
	for _, states := range w.states {
		for k, raw := range states {
			var d feed.Delivery
			if !strings.HasPrefix(k, "delivery/"+l.Account+"/") || json.Unmarshal(raw, &d) != nil {
				continue
			}
			if d.List == l.ID && slices.Contains(statuses, d.Status) && (after == "" || place(d) < after) {
				page = append(page, d)
			}
		}
	}
	slices.SortFunc(page, func(a, b feed.Delivery) int { return strings.Compare(place(b), place(a)) })
	if len(page) > limit {
		page, next = page[:limit], place(page[limit-1])
	}
	return page, next, w.failed
}

// Delivery reads one delivery.
func (w *world) Delivery(_ context.Context, r feed.Ref) (*feed.Delivery, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, err := optout.DeliveryShard(r.ID)
	if err != nil || at >= len(w.states) || w.states[at][r.Key()] == nil {
		return nil, w.failed
	}
	d := &feed.Delivery{}
	return d, json.Unmarshal(w.states[at][r.Key()], d)
}

// try is a receiver that refuses.
func (w *world) try(_ context.Context, _ optout.Account, _ optout.List, id string, now func() time.Time) (feed.Trial, error) {
	return feed.Trial{
		ID: id, Attempt: feed.Attempt{At: now().UnixMilli(), Took: 12, Status: 500, Error: "status_500"}, Answer: []byte(strings.Repeat("x", 2000) + "\xff"),
	}, nil
}

// told is a world whose list news has a webhook URL, which was told of some people.
func told(t *testing.T, people int, with func(*api.Options)) *world {
	t.Helper()
	w := newWorld(t, with)
	w.found("acme", optout.List{ID: "news", Name: "News", WebhookURL: "https://example.com/hook", FeedRemovals: true, Channels: []string{"wa"}, Scope: optout.ScopeAll})
	for n := range people {
		w.call(t, "acme-admin", "POST", "/v1/optout-lists/news/entries", fmt.Sprintf(`{"to":"+4477009000%02d","channel":"*"}`, n)).ok(http.StatusCreated)
	}
	return w
}

// ends makes every delivery one of a status.
func (w *world) ends(t *testing.T, status feed.Status) {
	t.Helper()
	all, _, err := w.Deliveries(t.Context(), feed.List{Account: "acme", ID: "news"}, feed.Statuses(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		at, _ := optout.DeliveryShard(d.ID)
		body, err := json.Marshal(feed.Tried{Results: []feed.Result{{
			ID: d.ID, Try: d.Tries, Attempt: &feed.Attempt{At: now.UnixMilli(), Status: 500, Error: "status_500"}, Status: status, Error: "status_500", At: now.UnixMilli(),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := shard.Command{ID: "tried " + d.ID, Kind: feed.KindTried, Account: "acme", Made: now.UnixMilli(), Body: body}.Record(at)
		if err == nil {
			err = w.Publish(t.Context(), []*stream.Record{r}...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

type deliveryShown struct {
	ID, Status, Action string
	To, Email, Error   *string
	Tries              int
	Attempts           []struct{ Error *string }
	Body               struct {
		Mobile int64
		ID     string
	}
}

func TestDeliveriesAreListedShownAndReplayed(t *testing.T) {
	w := told(t, 5, nil)
	var page struct {
		Data []deliveryShown
		Next *string
	}
	list := "/v1/optout-lists/news/deliveries"
	w.call(t, "acme-read", "GET", list+"?limit=3", "").ok(http.StatusOK).into(&page)
	if len(page.Data) != 3 || page.Next == nil || page.Data[0].Status != "pending" || page.Data[0].Action != "optout" || page.Data[0].To == nil {
		t.Fatalf("%+v", page)
	}
	w.call(t, "acme-read", "GET", list+"?after="+*page.Next, "").ok(http.StatusOK).into(&page)
	if len(page.Data) != 2 || page.Next != nil {
		t.Fatalf("%+v", page)
	}
	one := list + "/" + page.Data[0].ID
	w.ends(t, feed.Dead)
	var shown deliveryShown
	w.call(t, "acme-read", "GET", one, "").ok(http.StatusOK).into(&shown)
	if shown.Status != "dead" || len(shown.Attempts) != 1 || *shown.Error != "status_500" || shown.Body.ID != shown.ID || fmt.Sprintf("+%d", shown.Body.Mobile) != *shown.To {
		t.Errorf("%+v", shown)
	}
	w.call(t, "acme-lists", "POST", one+"/replay", "").ok(http.StatusOK).into(&shown)
	if shown.Status != "pending" {
		t.Errorf("%+v", shown)
	}
	w.call(t, "acme-read", "GET", list+"?status=dead,dropped", "").ok(http.StatusOK).into(&page)
	if len(page.Data) != 4 {
		t.Errorf("%d are dead", len(page.Data))
	}
	var replayed struct {
		Replayed int
		More     bool
	}
	for _, want := range []int{4, 4, 0} { // once, again under the same key, and when there is none
		key := "all"
		if want == 0 {
			key = "none"
		}
		w.call(t, "acme-lists", "POST", list+"/replay", `{"status":"dead"}`, "Idempotency-Key", key).ok(http.StatusOK).into(&replayed)
		if replayed.Replayed != want || replayed.More {
			t.Errorf("%+v, want %d", replayed, want)
		}
	}
}

func TestWhatIsWrongWithAQuestionAboutDeliveriesIsSaid(t *testing.T) {
	w := told(t, 1, nil)
	list := "/v1/optout-lists/news/deliveries"
	all, _, err := w.Deliveries(t.Context(), feed.List{Account: "acme", ID: "news"}, feed.Statuses(), "", 10)
	if err != nil || len(all) != 1 {
		t.Fatal(len(all), err)
	}
	id := all[0].ID
	for _, c := range []struct {
		token, method, path, body string
		status                    int
	}{
		{"acme-read", "GET", list + "?status=lost", "", http.StatusBadRequest},
		{"acme-read", "GET", list + "/nothing", "", http.StatusNotFound},
		{"acme-read", "GET", list + "/fd-99999999999999999999-0", "", http.StatusNotFound},
		{"acme-read", "GET", "/v1/optout-lists/default/deliveries/" + id, "", http.StatusNotFound},
		{"acme-read", "POST", list + "/" + id + "/replay", "", http.StatusForbidden},
		{"acme-read", "POST", list + "/test", "", http.StatusForbidden},
		{"acme-lists", "GET", "/v1/optout-lists/news/webhook-secret", "", http.StatusForbidden},
		{"acme-lists", "POST", "/v1/optout-lists/news/webhook-secret", "", http.StatusForbidden},
		{"acme-lists", "POST", list + "/replay", `{"status":"pending"}`, http.StatusUnprocessableEntity},
		{"acme-lists", "POST", list + "/replay", `{}`, http.StatusUnprocessableEntity},
		{"acme-lists", "POST", "/v1/optout-lists/default/deliveries/test", "", http.StatusUnprocessableEntity},
		{"acme-lists", "POST", "/v1/optout-lists/default/deliveries/replay", `{"status":"dead"}`, http.StatusUnprocessableEntity},
		{"globex-admin", "GET", list, "", http.StatusNotFound},
		{"globex-admin", "GET", "/v1/optout-lists/default/deliveries/" + id, "", http.StatusNotFound},
		{"globex-admin", "POST", "/v1/optout-lists/default/deliveries/" + id + "/replay", "", http.StatusNotFound},
	} {
		if got := w.call(t, c.token, c.method, c.path, c.body); got.status != c.status {
			t.Errorf("%s %s %s as %s: %d %s", c.method, c.path, c.body, c.token, got.status, got.body)
		}
	}
}

func TestALetterOfADeliveryPutBackHasItTriedAnew(t *testing.T) {
	w := told(t, 2, nil)
	w.ends(t, feed.Dead)
	all, _, err := w.Deliveries(t.Context(), feed.List{Account: "acme", ID: "news"}, feed.Statuses(), "", 10)
	if err != nil || len(all) != 2 {
		t.Fatal(len(all), err)
	}
	letter := fmt.Appendf(nil, `{"v":1,"account":"acme","list":"news","delivery":%q,"error":"status_500","tries":1}`, all[0].ID)
	w.bury(now, "feed/"+all[0].ID, feed.ReasonDead, letter)
	for n, stranger := range []string{`{}`, `{"account":"acme","delivery":"x"}`, `{"account":"acme","delivery":"fd-99-000000000000000000000000"}`} {
		w.bury(now, "feed/x", feed.ReasonDead, []byte(stranger))
		w.call(t, "operator", "POST", fmt.Sprintf("/v1/dead/0/%d/replay", n+1), "").is(http.StatusUnprocessableEntity, "incomplete")
	}
	stands := func(want feed.Status) {
		t.Helper()
		d, err := w.Delivery(t.Context(), all[0].Ref())
		if err != nil || d.Status != want {
			t.Errorf("%+v, %v", d, err)
		}
	}
	var r replayed
	w.call(t, "operator", "POST", "/v1/dead/replay", `{"reason":"feed_undelivered"}`).ok(http.StatusOK).into(&r)
	if r.Replayed != 1 || r.Skipped["incomplete"] != 3 {
		t.Errorf("%+v", r)
	}
	stands(feed.Pending)
	if other, err := w.Delivery(t.Context(), all[1].Ref()); err != nil || other.Status != feed.Dead {
		t.Errorf("%+v, %v", other, err)
	}
	w.ends(t, feed.Delivered)
	w.bury(now, "feed/"+all[0].ID, feed.ReasonDead, letter) // again, as a crash may leave it
	w.call(t, "operator", "POST", "/v1/dead/0/0/replay", "").ok(http.StatusOK)
	w.call(t, "operator", "POST", "/v1/dead/0/4/replay", "").ok(http.StatusOK)
	stands(feed.Delivered)
}

func TestATestTellsWhatCameBack(t *testing.T) {
	w := told(t, 0, nil)
	var said struct {
		Delivered     bool
		Status        int
		Error, Answer string
	}
	w.call(t, "acme-lists", "POST", "/v1/optout-lists/news/deliveries/test", "").ok(http.StatusOK).into(&said)
	if said.Delivered || said.Status != 500 || said.Error != "status_500" || len(said.Answer) != 1024 {
		t.Errorf("%+v", said)
	}
}

func TestAFeedsSecretIsShownAndChanged(t *testing.T) {
	w := told(t, 0, nil)
	var before, after, again, shown struct {
		Secret string
		Former *string
	}
	path := "/v1/optout-lists/news/webhook-secret"
	w.call(t, "acme-admin", "GET", path, "").ok(http.StatusOK).into(&before)
	w.call(t, "acme-admin", "POST", path, "", "Idempotency-Key", "k").ok(http.StatusOK).into(&after)
	w.call(t, "acme-admin", "POST", path, "", "Idempotency-Key", "k").ok(http.StatusOK).into(&again)
	w.call(t, "acme-admin", "GET", path, "").ok(http.StatusOK).into(&shown)
	if before.Former != nil || after.Secret == before.Secret || *after.Former != before.Secret || again.Secret != after.Secret || shown.Secret != after.Secret {
		t.Errorf("%+v, %+v, %+v, %+v", before, after, again, shown)
	}
	if strings.Contains(w.log.String(), "whsec_") {
		t.Error("a secret stands in the log")
	}
}

// ok holds that a call was answered with a status.
func (r reply) ok(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%d %s, want %d", r.status, r.body, status)
	}
	return r
}
