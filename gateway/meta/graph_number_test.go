package meta_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/meta"
	"optgate/gateway/meta/fake"
	"optgate/pipeline/chat"
)

func TestWhatGraphTellsOfANumber(t *testing.T) {
	about := `{"display_phone_number":"+1 555-014-0001","quality_rating":"YELLOW","throughput":{"level":"STANDARD"},"platform_type":"CLOUD_API",
		"is_on_biz_app":true,"status":"CONNECTED","whatsapp_business_manager_messaging_limit":"TIER_2K","id":"1"}`
	for name, c := range map[string]struct {
		status int
		body   string
		want   map[string]string
		fails  bool
	}{
		"all": {200, about, map[string]string{
			chat.SaysToken: "GOOD", chat.SaysThroughput: "STANDARD", chat.SaysQuality: "YELLOW", chat.SaysStatus: "CONNECTED", chat.SaysTier: "TIER_2K",
			chat.SaysDisplay: "15550140001", chat.SaysCoexistence: "TRUE"}, false},
		"nothing":           {200, `{"id":"1"}`, map[string]string{chat.SaysToken: "GOOD"}, false},
		"words of no sense": {200, `{"quality_rating":"+44 7700 900101","throughput":[],"is_on_biz_app":"maybe","status":{"a":1}}`, map[string]string{chat.SaysToken: "GOOD", chat.SaysCoexistence: "FALSE"}, false},
		"expired":           {401, `{"error":{"message":"Error validating access token","code":190}}`, map[string]string{chat.SaysToken: "REFUSED"}, false},
		"not authorised":    {401, `{"error":{"message":"no","code":0}}`, map[string]string{chat.SaysToken: "REFUSED"}, false},
		"busy":              {503, `{"error":{"message":"(#2) busy with 447700900101","code":2}}`, nil, true},
		"a page":            {200, `<html>`, nil, true},
		"not the number":    {400, `{"error":{"message":"Unsupported get request","code":33}}`, nil, true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+token || !strings.Contains(r.URL.Query().Get("fields"), "throughput") {
				t.Errorf("%s: %s %s", name, r.Method, r.URL)
			}
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		said, err := graph(t, server.URL).Number(t.Context(), "acme", "wa")
		server.Close()
		inClear(t, err)
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, words(said)); !c.fails && diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func words(n chat.Notice) map[string]string {
	all := map[string]string{}
	for _, said := range n.Says {
		all[said.Subject] = said.Value
	}
	return all
}

// A version of Graph that doesn't know all that is asked is asked for what it knows.
func TestANumberIsAskedAboutInEveryVersion(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Query().Get("fields"), "is_on_biz_app") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":{"message":"(#100) Tried accessing nonexisting field","code":100}}`))
			return
		}
		_, _ = w.Write([]byte(`{"throughput":{"level":"HIGH"}}`))
	}))
	defer server.Close()
	said, err := graph(t, server.URL).Number(t.Context(), "acme", "wa")
	if err != nil || words(said)[chat.SaysThroughput] != "HIGH" {
		t.Errorf("%+v, %v", said, err)
	}
}

func TestTheSimulatedMetaTellsOfItsNumbers(t *testing.T) {
	m := startMeta(t, fake.Options{Token: "another"})
	said, err := graph(t, m.URL()).Number(t.Context(), "acme", "wa")
	if err != nil || words(said)[chat.SaysToken] != "REFUSED" {
		t.Errorf("%+v, %v", said, err)
	}
}

// FuzzDecode covers webhooks; notices in them hold nothing but Meta's words, in bounds.
func FuzzNotice(f *testing.F) {
	for _, name := range []string{
		"message_template_status_update_rejected", "message_template_quality_update", "template_category_update", "account_update_disabled",
		"account_update_partner_removed_entry_is_portfolio", "phone_number_quality_update", "business_capability_update",
	} {
		f.Add(read(f, "testdata/payloads/"+name+".json"))
	}
	f.Add([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","time":1794300503,"changes":[{"field":"account_update","value":{"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING","expiration":"1794300903"}]}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := meta.AppendItems(nil, body)
		if err != nil {
			return
		}
		for _, item := range items {
			in, err := meta.Decode(item.Value)
			if err != nil || in.Notice == nil {
				continue
			}
			n := in.Notice
			if in.Kind != chat.KindNotice || n.WABA == "" || len(n.Says) == 0 || len(n.Says) > 3 {
				t.Errorf("%+v", in)
			}
			for _, said := range n.Says {
				if len(said.Value) == 0 || len(said.Value) > 64 || len(said.Detail) > 2000 || strings.ToUpper(said.Value) != said.Value {
					t.Errorf("%+v", said)
				}
			}
			if _, err := json.Marshal(n); err != nil {
				t.Error(err)
			}
		}
	})
}
