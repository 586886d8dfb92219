package fake_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"optgate/gateway/meta"
	"optgate/gateway/meta/fake"
	"optgate/pipeline/chat"
)

var (
	secret  = []byte("app secret")
	wa      = fake.Number{Platform: "whatsapp", ID: "310100000000001", WABA: "204700000000001", Display: "15550140001"}
	wb      = fake.Number{Platform: "whatsapp", ID: "310100000000002", WABA: "204700000000001", Display: "15550140002"}
	page    = fake.Number{Platform: "messenger", ID: "100200300400500"}
	account = fake.Number{Platform: "instagram", ID: "178400000000001"}
	numbers = []fake.Number{wa, wb, page, account}
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// gateway is the other side: it keeps what is rightly signed, and answers as told.
type gateway struct {
	*httptest.Server
	mu     sync.Mutex
	posts  int
	kept   [][]byte
	items  map[string]int // meaning → how often
	news   chan struct{}
	status func(post int) int // nil: 200
}

func newGateway(t *testing.T, status func(post int) int) *gateway {
	g := &gateway{items: map[string]int{}, news: make(chan struct{}, 1), status: status}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !meta.NewVerifier([][]byte{secret}).Verify([]byte(r.Header.Get("X-Hub-Signature-256")), body) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(g.take(t, body))
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) take(t *testing.T, body []byte) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() {
		select {
		case g.news <- struct{}{}:
		default:
		}
	}()
	g.posts++
	if g.status != nil {
		if status := g.status(g.posts); status != http.StatusOK {
			return status
		}
	}
	items, err := meta.AppendItems(nil, body)
	if err != nil {
		t.Errorf("%v: %s", err, body)
	}
	g.kept = append(g.kept, body)
	for _, item := range items {
		g.items[meaning(item.Value)]++
	}
	return http.StatusOK
}

// until waits until something holds of what was kept.
func (g *gateway) until(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		g.mu.Lock()
		done := holds()
		g.mu.Unlock()
		if done {
			return
		}
		select {
		case <-g.news:
		case <-ctx.Done():
			t.Fatalf("after %d posts: %v", g.posts, ctx.Err())
		}
	}
}

func meaning(record []byte) string {
	in, err := meta.Decode(record)
	if err != nil {
		return err.Error()
	}
	in.Raw = nil
	raw, err := json.Marshal(in)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func start(t *testing.T, o fake.Options) *fake.Meta {
	t.Helper()
	o.Secret, o.Backoff = secret, time.Millisecond
	m, err := fake.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestEveryEventIsAnItem: what the generator says of an event is what a decoder finds in it.
func TestEveryEventIsAnItem(t *testing.T) {
	g := fake.NewGenerator(1, numbers, 1000, fake.DefaultMix())
	seen, stops := map[string]int{}, 0
	for range 3000 {
		e := g.Next(noon)
		seen[e.Kind]++
		items, err := meta.AppendItems(nil, fake.Body(e))
		if err != nil || len(items) != 1 {
			t.Fatalf("%s: %d items, %v", e.Kind, len(items), err)
		}
		in, err := meta.Decode(items[0].Value)
		if e.Kind == "garbage" {
			if err == nil {
				t.Errorf("garbage is understood: %s", items[0].Value)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v: %s", e.Kind, err, items[0].Value)
		}
		if e.Stops {
			stops++
		}
		if e.Stops && (!in.Acts || !slices.Contains(in.Texts, e.Words)) {
			t.Errorf("a STOP that nobody hears: %+v: %+v", e, in)
		}
		if in.Acts && (!slices.Contains(in.Texts, e.Words) || in.MessageID != e.ID || !in.At.Equal(noon)) {
			t.Errorf("%s: %+v", e.Kind, in)
		}
		if e.Kind != "management" && in.NumberID != e.To.ID {
			t.Errorf("%s: number %q", e.Kind, in.NumberID)
		}
		if !e.Stops && in.Acts && slices.Contains(fake.StopWords(), e.Words) {
			t.Errorf("an unannounced STOP: %+v", e)
		}
		wrong := map[string]chat.InboundKind{"receipt": chat.KindReceipt, "preference": chat.KindPreference, "moved": chat.KindIdentity}[e.Kind]
		if wrong != "" && in.Kind != wrong {
			t.Errorf("%s is %s", e.Kind, in.Kind)
		}
	}
	if stops < 100 {
		t.Errorf("%d STOPs", stops)
	}
	for _, kind := range []string{"text", "button", "reply", "list", "caption", "edit", "group", "forwarded", "reaction", "standby",
		"history", "echo", "preference", "receipt", "moved", "management", "error", "garbage", "messenger", "instagram"} {
		if seen[kind] == 0 {
			t.Errorf("no %s among %v", kind, seen)
		}
	}
}

func TestTheSameSeedMakesTheSameEvents(t *testing.T) {
	bodies := func(seed uint64) string {
		g := fake.NewGenerator(seed, numbers[:2], 100, fake.DefaultMix())
		var events []fake.Event
		for range 500 {
			events = append(events, g.Next(noon))
		}
		return string(fake.Body(events...))
	}
	first, again := bodies(7), bodies(7)
	if first != again || first == bodies(8) {
		t.Error("seeds do not decide")
	}
	for _, c := range first {
		if c > 0x7f {
			t.Fatalf("%q is not escaped", c)
		}
	}
}

// TestRunDeliversEverything, though the gateway refuses most posts at first, in batches, out of order and partly twice.
func TestRunDeliversEverything(t *testing.T) {
	g := newGateway(t, func(post int) int {
		if post%3 != 0 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	m := start(t, fake.Options{Webhook: g.URL})
	want := map[string]int{}
	var kept atomic.Int64
	tally := m.Run(t.Context(), fake.NewGenerator(2, numbers, 100, fake.DefaultMix()), fake.Plan{
		Items: 1000, Batch: 20, Again: 0.3, Shuffle: 10, Seed: 3,
		Each: func(e fake.Event) {
			items, err := meta.AppendItems(nil, fake.Body(e))
			if err != nil {
				t.Errorf("%s: %v", e.Kind, err)
				return
			}
			want[meaning(items[0].Value)]++
		},
		Kept: func(time.Duration) { kept.Add(1) },
	})
	if tally.Items != 1000 || tally.Bodies != int64(len(g.kept)) || tally.Bodies != kept.Load() || tally.Posts != int64(g.posts) || tally.Posts < 2*tally.Bodies {
		t.Errorf("%+v, kept %d bodies of %d posts", tally, len(g.kept), g.posts)
	}
	more := 0
	for item, n := range want {
		if got := g.items[item]; got < n {
			t.Errorf("%d of %d: %s", got, n, item)
		} else {
			more += got - n
		}
	}
	if len(g.items) != len(want) || more == 0 {
		t.Errorf("%d different items of %d, %d repeats", len(g.items), len(want), more)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := newGateway(t, func(int) int {
		cancel()
		return http.StatusServiceUnavailable
	})
	m := start(t, fake.Options{Webhook: g.URL})
	if tally := m.Run(ctx, fake.NewGenerator(1, numbers, 10, fake.DefaultMix()), fake.Plan{Rate: 1e6}); tally.Items != 0 || tally.Posts == 0 {
		t.Errorf("%+v", tally)
	}
}

// TestReceiptsFollow a send that was accepted, one that failed later, and no other.
func TestReceiptsFollow(t *testing.T) {
	g := newGateway(t, nil)
	m := start(t, fake.Options{Webhook: g.URL, ReceiptDelay: time.Millisecond})
	m.Script("447700900102", fake.Outcome{Failed: 131050})
	m.Script("447700900103", fake.Outcome{HTTP: 400, Code: 130429}, fake.Outcome{Silent: true})
	graph := meta.NewGraph(m.URL(), func(string, string) (string, string, bool) { return wa.ID, "t", true })
	defer graph.Close()
	call := func(to chat.Identifier) {
		t.Helper()
		out := chat.Outbound{ID: "m", Account: "acme", To: to, Given: to.Shown(), Message: json.RawMessage(`{"type":"text","text":{"body":"Hi"}}`)}
		if _, err := graph.Call(t.Context(), out, time.Now().Add(10*time.Second)); err != nil && to != "phone:447700900103" {
			t.Fatal(err)
		}
	}
	for _, to := range []chat.Identifier{"phone:447700900101", "bsuid:GB.1", "phone:447700900102", "phone:447700900103", "phone:447700900103"} {
		call(to)
	}
	got := map[string][]string{}
	g.until(t, func() bool {
		got = map[string][]string{}
		n := 0
		for _, body := range g.kept {
			items, err := meta.AppendItems(nil, body)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				in, err := meta.Decode(item.Value)
				if err != nil {
					t.Fatal(err)
				}
				if account, _, _, id, ok := chat.ParseCallback(in.Receipt.Callback); !ok || account != "acme" || id != "m" || in.NumberID != wa.ID {
					t.Fatalf("%+v", in)
				}
				got[string(in.Who[0])] = append(got[string(in.Who[0])], in.Receipt.Status)
				n++
			}
		}
		return n == 7
	})
	for _, who := range []string{"phone:447700900101", "bsuid:GB.1"} {
		if slices.Sort(got[who]); !slices.Equal(got[who], []string{"delivered", "read", "sent"}) {
			t.Errorf("%s: %v", who, got[who])
		}
	}
	if !slices.Equal(got["phone:447700900102"], []string{"failed"}) || len(got) != 3 {
		t.Errorf("%v", got)
	}
	if sends := m.To("447700900103"); len(sends) != 2 || sends[0].Outcome.Code != 130429 || sends[0].Callback == "" || sends[1].At.Before(sends[0].At) {
		t.Errorf("%+v", sends)
	}
}

func TestASendNeedsTheToken(t *testing.T) {
	m := start(t, fake.Options{Token: "right"})
	graph := meta.NewGraph(m.URL(), func(string, string) (string, string, bool) { return wa.ID, "wrong", true })
	defer graph.Close()
	out := chat.Outbound{To: "phone:447700900101", Message: json.RawMessage(`{"type":"text","text":{"body":"Hi"}}`)}
	if _, err := graph.Call(t.Context(), out, time.Now().Add(10*time.Second)); err == nil || len(m.Sends()) > 0 {
		t.Errorf("%v, %+v", err, m.Sends())
	}
}

func TestOnlyTheLatestSendsAreKept(t *testing.T) {
	m := start(t, fake.Options{Keep: 3})
	graph := meta.NewGraph(m.URL(), func(string, string) (string, string, bool) { return wa.ID, "t", true })
	defer graph.Close()
	last := ""
	for range 20 {
		id, err := graph.Call(t.Context(), chat.Outbound{To: "phone:447700900101", Message: json.RawMessage(`{"type":"text","text":{"body":"Hi"}}`)}, time.Now().Add(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		last = id
	}
	if sends := m.Sends(); len(sends) < 3 || len(sends) > 6 || sends[len(sends)-1].MessageID != last {
		t.Errorf("%d sends", len(sends))
	}
}
