package app_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/cmd/app"
	"optgate/configs"
	"optgate/gateway/meta/fake"
)

// What the end-to-end tests' businesses are called. All of it is secret or personal enough to stand in no log.
const (
	appSecret     = "app-secret-of-the-otter"
	verifyToken   = "verify-token-of-the-otter"
	acmeToken     = "acme-token-of-the-otter"
	bravoToken    = "bravo-token-of-the-otter"
	operatorToken = "operator-token-of-the-otter"
	accessToken   = "access-token-of-the-otter"
)

// The numbers that people write to: acme's, with a page and an Instagram account beside it, and bravo's.
var (
	acme      = fake.Number{ID: "155500000000001", WABA: "177700000000001", Display: "15550140001"}
	bravo     = fake.Number{ID: "155500000000002", WABA: "177700000000002", Display: "15550140002"}
	page      = fake.Number{Platform: "messenger", ID: "133300000000001"}
	instagram = fake.Number{Platform: "instagram", ID: "144400000000001"}
)

// person is the nth of those who show their phone alone.
func person(n int) fake.Person { return fake.Person{Phone: fmt.Sprintf("4477009%05d", n)} }

// people are n persons from the first on.
func people(first, n int) []fake.Person {
	all := make([]fake.Person, n)
	for i := range all {
		all[i] = person(first + i)
	}
	return all
}

// world is one installation with a simulated Meta, driven from outside.
type world struct {
	t        *testing.T
	on       servers
	settings map[string]any
	public   string // host:port, the same in every life of the gateway
	private  string
	meta     *fake.Meta
	log      *journal
	gateway  *app.App // nil: none runs in this process
}

// newWorld makes a world on some servers, without a gateway yet. change may change Meta's behaviour; nil: it accepts all and
// tells nothing afterwards.
func newWorld(t *testing.T, on servers, change func(*fake.Options)) *world {
	t.Helper()
	w := &world{t: t, on: on, public: freeAddress(t), private: freeAddress(t), log: &journal{}}
	options := fake.Options{
		Webhook: "http://" + w.public + "/webhooks/meta", Secret: []byte(appSecret), Token: accessToken,
		Templates: []fake.Template{fake.Offer("offer", "Hi {{1}}, see what is new.")},
		Receipts:  []string{}, ReceiptDelay: 50 * time.Millisecond, Backoff: 50 * time.Millisecond, Seed: 1,
	}
	if change != nil {
		change(&options)
	}
	meta, err := fake.New(options)
	if err != nil {
		t.Fatal(err)
	}
	w.meta = meta
	w.settings = w.configuration()
	t.Cleanup(w.end)
	return w
}

// begin makes a world whose gateway serves.
func begin(t *testing.T, on servers) *world {
	t.Helper()
	w := newWorld(t, on, nil)
	w.start()
	return w
}

// configuration gives the settings by top key.
func (w *world) configuration() map[string]any {
	channel := func(id string, n fake.Number) map[string]any {
		return map[string]any{
			"id": id, "kind": "whatsapp", "phone_number_id": n.ID, "waba_id": n.WABA, "access_token": accessToken, "default_country": "GB",
		}
	}
	account := func(id, token string, channels ...any) map[string]any {
		return map[string]any{
			"id": id, "channels": channels, "tokens": []any{map[string]any{"name": "all", "token": token, "scopes": []any{"admin"}}},
		}
	}
	settings := map[string]any{
		"data_dir": filepath.Join(w.t.TempDir(), "data"),
		"public":   map[string]any{"listen": w.public},
		"private":  map[string]any{"listen": w.private},
		"operator": map[string]any{"tokens": []any{map[string]any{"name": "root", "token": operatorToken}}},
		"limits":   map[string]any{"api_per_minute": 1_000_000},
		"log":      map[string]any{"level": "debug"},
		"meta": map[string]any{
			"graph_url": w.meta.URL(),
			"apps":      []any{map[string]any{"id": "main", "verify_token": verifyToken, "secrets": []any{appSecret}}},
		},
		"accounts": []any{
			account("acme", acmeToken, channel("wa", acme),
				map[string]any{"id": "page", "kind": "messenger", "page_id": page.ID},
				map[string]any{"id": "instagram", "kind": "instagram", "instagram_id": instagram.ID}),
			account("bravo", bravoToken, channel("wb", bravo)),
		},
	}
	maps.Copy(settings, w.on.settings())
	return settings
}

// rate sets how many messages a second acme's number may send.
func (w *world) rate(messages int) {
	channels := w.settings["accounts"].([]any)[0].(map[string]any)["channels"].([]any)
	channels[0].(map[string]any)["messages_per_second"] = messages
}

// bootTime is how long a gateway may take to serve, on real servers and with the race detector.
const bootTime = 45 * time.Second

// start boots the gateway in this process.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), bootTime)
	defer cancel()
	gateway, err := app.Start(ctx, w.options())
	if err != nil {
		w.t.Fatalf("start: %v", err)
	}
	w.gateway = gateway
}

func (w *world) options() app.Options {
	w.t.Helper()
	config, err := configs.Load(configs.Sources{Flags: w.settings})
	if err != nil {
		w.t.Fatal(err)
	}
	return app.Options{Config: *config, Log: zerolog.New(w.log).Level(zerolog.DebugLevel).With().Timestamp().Logger(), Version: "test"}
}

// stop drains the gateway, which must not take long.
func (w *world) stop() {
	w.t.Helper()
	if w.gateway == nil {
		return
	}
	began := time.Now()
	w.gateway.Stop()
	w.gateway = nil
	if took := time.Since(began); took > 10*time.Second {
		w.t.Errorf("stopping took %v", took)
	}
}

// end ends everything and looks at what was logged: whatever a story is about, nothing personal may stand there.
func (w *world) end() {
	w.stop()
	if err := w.meta.Close(); err != nil {
		w.t.Error(err)
	}
	if found := leak(w.log.String(), personal); found != "" {
		w.t.Errorf("personal data or a secret in the log: %s", found)
	}
	if w.t.Failed() {
		w.t.Logf("warnings and errors of the gateway:\n%s", w.log.complaints(60))
	}
}

// freeAddress gives a free host:port outside of the range that connections take theirs from.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(8_000))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

// deliver delivers events as one webhook until it is answered 200.
func (w *world) deliver(events ...fake.Event) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	if _, err := w.meta.Deliver(ctx, fake.Body(events...)); err != nil {
		w.t.Fatal(err)
	}
}

// says lets somebody write to acme now.
func (w *world) says(who fake.Person, words string) {
	w.t.Helper()
	w.deliver(fake.Text(acme, who, words, time.Now()))
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	within(t, 15*time.Second, what, so)
}

func within(t *testing.T, patience time.Duration, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !so(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// quiet waits until a time has passed in which something must not happen; the caller looks afterwards.
func quiet(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// ready says whether /readyz answers 200, and what it answers.
func (w *world) ready() (bool, string) {
	status, body, _ := fetch(http.MethodGet, "http://"+w.public+"/readyz", "", nil)
	return status == http.StatusOK, string(body)
}

// journal keeps what was logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// complaints gives the last warnings and errors.
func (j *journal) complaints(most int) string {
	var lines []string
	for line := range strings.Lines(j.String()) {
		if strings.Contains(line, `"level":"warn"`) || strings.Contains(line, `"level":"error"`) {
			lines = append(lines, line[:min(len(line), 400)])
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "")
}
