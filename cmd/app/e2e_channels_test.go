package app_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// limits are what the API shows of a channel's.
type limits struct {
	Rate struct {
		Allowed, Now float64
		Source       string
	}
	Tier struct {
		Known, Unlimited, Exact bool
		Limit, Used, Left       *int
		Source                  *string
	}
	Service struct{ People int } `json:"service_window"`
}

func (w *world) limits(channel string) (l limits) {
	w.t.Helper()
	w.api(http.MethodGet, "/v1/channels/"+channel+"/limits", acmeToken, nil, &l)
	return l
}

// told delivers a change of acme's business account.
func (w *world) told(field string, value map[string]any) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{
		"id": acme.WABA, "time": time.Now().Unix(), "changes": []any{map[string]any{"field": field, "value": value}}}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.meta.Deliver(w.t.Context(), body); err != nil {
		w.t.Fatal(err)
	}
}

// What Meta tells of a number, when asked and by webhooks, is in force and shown within seconds, and outlives Redis.
func TestWhatMetaAllowsANumberIsShownAndKept(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, nil)
		w.meta.SetNumber(map[string]any{
			"quality_rating": "GREEN", "throughput": map[string]any{"level": "STANDARD"}, "display_phone_number": acme.Display,
			"whatsapp_business_manager_messaging_limit": "TIER_250",
		})
		w.start()
		eventually(t, "Graph was asked", func() bool {
			l := w.limits("wa")
			return l.Rate.Allowed == 80 && l.Rate.Source == "graph" && l.Tier.Known && *l.Tier.Limit == 250
		})
		w.told("phone_number_quality_update", map[string]any{"display_phone_number": acme.Display, "event": "THROUGHPUT_UPGRADE"})
		w.told("business_capability_update", map[string]any{"max_daily_conversations_per_business": 2000})
		w.told("account_update", map[string]any{"event": "DISABLED_UPDATE", "ban_info": map[string]any{"waba_ban_state": "DISABLE"}})
		shown := func() bool {
			l := w.limits("wa")
			var c struct{ Barred *struct{ Code string } }
			w.api(http.MethodGet, "/v1/channels/wa", acmeToken, nil, &c)
			return l.Rate.Allowed == 1000 && l.Tier.Known && *l.Tier.Limit == 2000 && c.Barred != nil && c.Barred.Code == "account_disabled"
		}
		eventually(t, "webhooks are in force", shown)
		w.says(person(8001), "hello")
		eventually(t, "the window of who wrote is open", func() bool { return w.limits("wa").Service.People == 1 })
	})
}

// Templates to strangers count, those to somebody who has just written don't; a wipe of Redis forgets nobody.
func TestATierCountsWhoIsReachedOutsideOfTheirWindow(t *testing.T) {
	together(t)
	on := servers{redis: []string{beside(t).Redis}}
	w := newWorld(t, on, nil)
	w.meta.SetNumber(map[string]any{"whatsapp_business_manager_messaging_limit": "TIER_50", "platform_type": "CLOUD_API", "is_on_biz_app": true})
	w.start()
	eventually(t, "the tier is known, and that the app on a phone uses the number too", func() bool {
		l := w.limits("wa")
		return l.Tier.Known && l.Rate.Allowed == 20 && l.Rate.Source == "graph"
	})
	w.says(person(8100), "hello")
	eventually(t, "the window is open", func() bool { return w.limits("wa").Service.People == 1 })
	w.finished("acme", w.broadcast([]fake.Person{person(8100), person(8101), person(8102)}, nil))
	used := func(n int) func() bool {
		return func() bool {
			l := w.limits("wa")
			return l.Tier.Used != nil && *l.Tier.Used == n && *l.Tier.Left == 50-n && l.Tier.Exact
		}
	}
	eventually(t, "two people are counted", used(2))
	on.flush(t)
	w.broadcast(people(8103, 60), nil)
	eventually(t, "the tier is used up", used(50))
	sent := func() (n int) {
		for p := 8100; p < 8163; p++ {
			n += len(w.meta.To(person(p).Phone))
		}
		return n
	}
	eventually(t, "50 people and one inside the window have theirs", func() bool { return sent() >= 51 })
	if n := sent(); n != 51 {
		t.Errorf("%d templates", n)
	}
}
