package app_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// personal matches what may stand in no log: phones, BSUIDs and message ids that the tests use, and their secrets.
var personal = regexp.MustCompile(`44770\d{7}|07700\s?9|GB\.(?:ENT\.)?\d|wamid|15550\d{6}|[a-z]+-(?:token|secret)-of-the-otter|og_[A-Za-z0-9_-]{44}`)

// leak gives the first place of a text where something stands that must not, with what stands before it; "" if there is none.
func leak(text string, patterns ...*regexp.Regexp) string {
	for _, pattern := range patterns {
		if at := pattern.FindStringIndex(text); at != nil {
			return text[max(0, at[0]-200):at[1]]
		}
	}
	return ""
}

// words matches what people and businesses write in this file and in the generator's events, and their names.
var words = regexp.MustCompile(`velvet otter|Ada Example|in stock|don't stop|stop by|laughing|opening hours|Danke|désabonner|Abmelden|` +
	`afmelden|annulla|sair|baja|Arrêt|Unsubscribe|спасибо|отписаться|СТОП|نعم|好的|ＳＴＯＰ|m_[0-9a-f]{8}`)

// TestNothingPersonalIsLoggedOrCounted runs everything that comes in and goes out, rightly and wrongly, at level debug.
func TestNothingPersonalIsLoggedOrCounted(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, func(o *fake.Options) { o.Receipts = nil })
		w.start()
		numbers := []fake.Number{acme, bravo, page, instagram}
		kinds := map[string]bool{}
		w.meta.Run(t.Context(), fake.NewGenerator(8, numbers, 150, fake.DefaultMix()), fake.Plan{
			Items: 500, Batch: 4, Again: 0.1, Shuffle: 5, Seed: 8, Each: func(e fake.Event) { kinds[e.Kind] = true },
		})
		if len(kinds) < 18 {
			t.Errorf("only %d kinds came", len(kinds))
		}
		w.deliver(fake.Text(acme, person(5000), "velvet otter", time.Now()), fake.Text(acme, fake.Person{BSUID: "GB.90210000000000005001"}, "STOP", time.Now()))
		w.abuse()

		all := people(5000, 40)
		for i, o := range []fake.Outcome{
			{HTTP: 400, Code: 130429}, {HTTP: 400, Code: 131056}, {HTTP: 400, Code: 131050}, {HTTP: 500, Code: 131000}, {Drop: true},
			{Failed: 131047}, {Failed: 131050}, {HTTP: 400, Code: 100}, {HTTP: 503, Code: 133004},
		} {
			w.meta.Script(all[i].Phone, o)
		}
		w.says(all[20], "STOP")
		w.barred(all[20])
		id := w.broadcast(all, map[string]any{"message": map[string]any{"type": "text", "text": map[string]any{"body": "velvet otter for {{name}}"}}})
		w.finished("acme", id)
		w.settled()
		_, metrics, _ := fetch(http.MethodGet, "http://"+w.private+"/metrics", "", nil)
		w.stop()

		if found := leak(w.log.String(), words); found != "" {
			t.Errorf("in the log: %s", found)
		}
		if found := leak(string(metrics), words, personal); found != "" {
			t.Errorf("in the metrics: %s", found)
		}
		lines := 0
		for line := range strings.Lines(w.log.String()) {
			lines++
			var entry map[string]any
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["message"] == "" || entry["level"] == "" {
				t.Errorf("no line of a log: %q", line)
			}
		}
		if lines < 500 {
			t.Errorf("%d lines were logged: this test looks at nothing", lines)
		}
		for _, name := range []string{
			"webhooks_total", "webhook_ack_seconds", "items_total", "optouts_total", "gate_total", "sends_total",
			"oldest_unprocessed_seconds", "dead_total", "shards", "shards_ready", "stalled",
		} {
			if !strings.Contains(string(metrics), "\noptgate_"+name) {
				t.Errorf("metric optgate_%s is missing", name)
			}
		}
	})
}

// abuse calls everything wrongly, with personal data and secrets wherever a caller may put them.
func (w *world) abuse() {
	w.t.Helper()
	phone := shown(person(5003))
	body := fake.Body(fake.Text(acme, person(5002), "velvet otter", time.Now()))
	for _, signature := range []string{"", "sha256=" + strings.Repeat("0", 64), appSecret} {
		if status, err := w.meta.PostAs(w.t.Context(), body, signature); status != http.StatusUnauthorized || err != nil {
			w.t.Errorf("a webhook signed %q: %d %v", signature, status, err)
		}
	}
	for _, junk := range []string{`{"velvet otter`, `[]`, `{"object":"whatsapp_business_account","entry":[{"changes":[{"value":"` + phone + ` velvet otter"}]}]}`} {
		if status, err := w.meta.Post(w.t.Context(), []byte(junk)); status != http.StatusOK || err != nil {
			w.t.Errorf("junk: %d %v", status, err)
		}
	}
	handshake := url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {phone}, "hub.verify_token": {verifyToken + "x"}}
	for _, address := range []string{
		"http://" + w.public + "/webhooks/meta?" + handshake.Encode(), "http://" + w.public + "/" + phone, "http://" + w.public + "/u/" + phone,
		"http://" + w.private + "/v1/optout-lists/" + phone + "/entries", "http://" + w.private + "/v1/broadcasts/" + phone,
		"http://" + w.private + "/v1/why?channel=" + phone + "&to=velvet+otter", "http://" + w.private + "/v1/tail/" + phone,
	} {
		for _, token := range []string{"", acmeToken, acmeToken + "x", operatorToken} {
			if status, _, _ := fetch(http.MethodGet, address, token, nil); status/100 != 4 {
				w.t.Errorf("GET %s: %d", address, status)
			}
		}
	}
	for _, request := range []string{
		`{"velvet otter`, `{"channel":"wa","category":"velvet otter","recipients":[{"to":"` + phone + `"}]}`,
		`{"channel":"` + phone + `","to":"velvet otter","recipients":[{"to":"07700 9 velvet otter"}],"message":{"type":"velvet otter"}}`,
	} {
		for _, path := range []string{"/v1/broadcasts", "/v1/messages", "/v1/optout-lists/default/entries"} {
			if status, answer, _ := fetch(http.MethodPost, "http://"+w.private+path, acmeToken, []byte(request)); status/100 != 4 {
				w.t.Errorf("POST %s: %d %s", path, status, answer)
			}
		}
	}
	w.broadcast([]fake.Person{{BSUID: "07700 9 velvet otter"}, person(5004)}, nil)
}
