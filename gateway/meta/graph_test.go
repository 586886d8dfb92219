package meta_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/meta"
	"optgate/gateway/meta/fake"
	"optgate/pipeline/chat"
	"optgate/pipeline/outbound"
)

var _ outbound.Caller = (*meta.Graph)(nil)

const token = "EAAGsecret9d3f17"

func tokens(account, channel string) (numberID, accessToken string, ok bool) {
	return "155500000000011", token, account == "acme" && channel == "wa"
}

func hello(to chat.Identifier) chat.Outbound {
	return chat.Outbound{
		ID: "m1", Account: "acme", Channel: "wa", To: to, Given: to.Shown(), Broadcast: "b1", Row: 7,
		Message: json.RawMessage(`{"type":"text","text":{"body":"Hi <Ada>"}}`),
	}
}

const ada = chat.Identifier("phone:447700900101")

func graph(t *testing.T, base string) *meta.Graph {
	t.Helper()
	g := meta.NewGraph(base, tokens)
	t.Cleanup(g.Close)
	return g
}

func startMeta(t *testing.T, o fake.Options) *fake.Meta {
	t.Helper()
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

func soon() time.Time { return time.Now().Add(10 * time.Second) }

// inClear fails if an error tells more than it may.
func inClear(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{"7700900101", "90210000", token, "155500000000011", "wamid", "Hi <Ada>"} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %q: %v", secret, err)
		}
	}
}

func TestWhatGraphIsAsked(t *testing.T) {
	m := startMeta(t, fake.Options{Token: token})
	g := graph(t, m.URL()+"/")
	for name, c := range map[string]struct {
		to             chat.Identifier
		given, message string
		want           string
	}{
		"a text to a phone": {ada, "+447700900101", `{"type":"text","text":{"body":"Hi"}}`,
			`{"to":"+447700900101","type":"text","text":{"body":"Hi"}}`},
		"a template to a BSUID": {"bsuid:GB.90210000", "GB.90210000", `{"type":"template","template":{"name":"offer"}}`,
			`{"recipient":"GB.90210000","type":"template","template":{"name":"offer"}}`},
		"as Meta showed it": {"phone:5511987654321", "551187654321", `{"type":"image","image":{"id":"1"}}`,
			`{"to":"+551187654321","type":"image","image":{"id":"1"}}`},
		"contacts, which are a list": {ada, "", `{"type":"contacts","contacts":[{"name":{"formatted_name":"A"}}]}`,
			`{"to":"+447700900101","type":"contacts","contacts":[{"name":{"formatted_name":"A"}}]}`},
		"a sticker": {ada, "", `{"type":"sticker","sticker":{"id":"1"}}`, `{"to":"+447700900101","type":"sticker","sticker":{"id":"1"}}`},
		"a given that is somebody else's": {ada, "07700 900102", `{"type":"audio","audio":{"id":"1"}}`,
			`{"to":"+447700900101","type":"audio","audio":{"id":"1"}}`},
		"a message that names another": {ada, "", `{"type":"text","to":"+15550140001","recipient":"GB.1","messaging_product":"x","biz_opaque_callback_data":"y","context":{"message_id":"wamid.0"},"text":{"body":"Hi"}}`,
			`{"to":"+447700900101","type":"text","context":{"message_id":"wamid.0"},"text":{"body":"Hi"}}`},
	} {
		out := hello(c.to)
		out.Given, out.Message = c.given, json.RawMessage(c.message)
		id, err := g.Call(t.Context(), out, soon())
		sends := m.Sends()
		last := sends[len(sends)-1]
		if err != nil || id == "" || id != last.MessageID || last.Number != "155500000000011" {
			t.Fatalf("%s: %q, %v, %+v", name, id, err, last)
		}
		var want, got map[string]any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		want["messaging_product"], want["recipient_type"], want["biz_opaque_callback_data"] = "whatsapp", "individual", "acme/b1/7/m1"
		if err := json.Unmarshal(last.Body, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatCanNeverBeSent(t *testing.T) {
	m := startMeta(t, fake.Options{})
	g := graph(t, m.URL())
	for name, change := range map[string]func(*chat.Outbound){
		"no JSON":           func(o *chat.Outbound) { o.Message = json.RawMessage(`{`) },
		"no object":         func(o *chat.Outbound) { o.Message = json.RawMessage(`null`) },
		"no type":           func(o *chat.Outbound) { o.Message = json.RawMessage(`{"text":{"body":"Hi"}}`) },
		"an odd type":       func(o *chat.Outbound) { o.Message = json.RawMessage(`{"type":"reaction","reaction":{}}`) },
		"type without it":   func(o *chat.Outbound) { o.Message = json.RawMessage(`{"type":"text"}`) },
		"an e-mail address": func(o *chat.Outbound) { o.To = "email:ada@example.com" },
	} {
		out := hello(ada)
		change(&out)
		_, err := g.Call(t.Context(), out, soon())
		if refusal, ok := errors.AsType[*outbound.Refusal](err); !ok || refusal.Advice != outbound.Fail {
			t.Errorf("%s: %v", name, err)
		}
	}
	out := hello(ada)
	out.Channel = "unknown"
	_, err := g.Call(t.Context(), out, soon())
	if refusal, ok := errors.AsType[*outbound.Refusal](err); !ok || refusal.Advice != outbound.Halt {
		t.Errorf("no token: %v", err)
	}
	if len(m.Sends()) > 0 {
		t.Errorf("sent %+v", m.Sends())
	}
}

func TestNothingLeavesOnAStaleAnswer(t *testing.T) {
	m := startMeta(t, fake.Options{})
	g := graph(t, m.URL())
	for _, good := range []time.Time{{}, time.Now(), time.Now().Add(-time.Hour)} {
		if _, err := g.Call(t.Context(), hello(ada), good); !errors.Is(err, outbound.ErrStale) {
			t.Errorf("good until %v: %v", good, err)
		}
	}
	if _, err := g.Call(t.Context(), hello(ada), soon()); err != nil {
		t.Fatal(err)
	}
	if sends := m.Sends(); len(sends) != 1 {
		t.Errorf("%d sends", len(sends))
	}
}

func TestNotSent(t *testing.T) {
	m := startMeta(t, fake.Options{})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := graph(t, m.URL()).Call(over, hello(ada), soon()); !errors.Is(err, outbound.ErrNotSent) || !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = graph(t, "http://"+listener.Addr().String()).Call(t.Context(), hello(ada), soon())
	if !errors.Is(err, outbound.ErrNotSent) {
		t.Errorf("nobody listens: %v", err)
	}
	inClear(t, err)
	if len(m.Sends()) > 0 {
		t.Errorf("sent %+v", m.Sends())
	}
}

// TestWhatIsUnknownIsNeverRepeated breaks calls off after the message was taken: on a fresh connection, on one that was
// used before, and by waiting for ever.
func TestWhatIsUnknownIsNeverRepeated(t *testing.T) {
	m := startMeta(t, fake.Options{})
	g := graph(t, m.URL())
	m.Script("447700900101", fake.Outcome{Drop: true}, fake.Outcome{}, fake.Outcome{Drop: true}, fake.Outcome{Hang: time.Hour})
	for i, taken := range []bool{false, true, false, false} {
		ctx, cancel := context.WithCancel(t.Context())
		if i == 3 { // give up once Meta has it
			go func() {
				if m.Await(t.Context(), func(s []fake.Send) bool { return len(s) == 4 }) == nil {
					cancel()
				}
			}()
		}
		_, err := g.Call(ctx, hello(ada), soon())
		cancel()
		_, refused := errors.AsType[*outbound.Refusal](err)
		if (err == nil) != taken || refused || errors.Is(err, outbound.ErrNotSent) || errors.Is(err, outbound.ErrStale) {
			t.Errorf("call %d: %v", i, err)
		}
		inClear(t, err)
	}
	if sends := m.Sends(); len(sends) != 4 {
		t.Errorf("%d sends of 4 calls", len(sends))
	}
}

// TestAnswers gives Graph's answers of all kinds and what is to be done about them.
func TestAnswers(t *testing.T) {
	const unknown = outbound.Advice(255)
	coded := func(code string) string {
		return `{"error":{"message":"(#` + code + `) Recipient +44 7700 900101 (GB.90210000000000000101), wamid.HBgMNDQ3NzAwOTAwMTAx","code":` + code + `}}`
	}
	for _, c := range []struct {
		status int
		body   string
		advice outbound.Advice
	}{
		{400, coded("130429"), outbound.Slow}, {400, coded("4"), outbound.Slow}, {400, coded("80007"), outbound.Slow},
		{429, ``, outbound.Slow}, {400, coded("131056"), outbound.Pair},
		{500, coded("131057"), outbound.Wait}, {503, coded("133004"), outbound.Wait}, {400, coded("134101"), outbound.Wait},
		{401, coded("190"), outbound.Halt}, {401, coded("0"), outbound.Halt}, {401, ``, outbound.Halt}, {403, coded("10"), outbound.Halt},
		{500, coded("3"), outbound.Halt}, {403, coded("200"), outbound.Halt}, {403, coded("299"), outbound.Halt}, {403, coded("131031"), outbound.Halt},
		{400, coded("131048"), outbound.Halt}, {400, coded("131042"), outbound.Halt}, {404, `<html>`, outbound.Halt}, {302, ``, outbound.Halt},
		{400, coded("131050"), outbound.OptedOut},
		{400, coded("131047"), outbound.Fail}, {400, coded("131026"), outbound.Fail}, {400, coded("131049"), outbound.Fail},
		{404, coded("132001"), outbound.Fail}, {400, coded("132000"), outbound.Fail}, {400, coded("100"), outbound.Fail},
		{400, coded("1"), outbound.Fail}, {400, coded("999999"), outbound.Fail}, {400, `{"error":{"code":"130429"}}`, outbound.Slow},
		{500, coded("131000"), unknown}, {500, coded("131016"), unknown}, {503, coded("2"), unknown}, {500, coded("1"), unknown},
		{500, coded("999999"), unknown}, {502, `<html>`, unknown}, {504, ``, unknown}, {408, ``, unknown},
		{200, ``, unknown}, {200, `{}`, unknown}, {200, `{"messages":[{}]}`, unknown}, {200, `{"messages":[{"id":"wamid.1"`, unknown},
		{200, coded("131000"), unknown}, {200, coded("130429"), outbound.Slow}, {200, strings.Repeat(" ", 1<<20) + `{"messages":[{"id":"wamid.1"}]}`, unknown},
	} {
		calls := atomic.Int32{}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			io.Copy(io.Discard, r.Body) //nolint:errcheck // a test
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body) //nolint:errcheck // a test
		}))
		id, err := graph(t, server.URL).Call(t.Context(), hello(ada), soon())
		server.Close()
		got := unknown
		if refusal, ok := errors.AsType[*outbound.Refusal](err); ok {
			if got = refusal.Advice; refusal.HTTP != c.status {
				t.Errorf("%d %.60s: HTTP %d", c.status, c.body, refusal.HTTP)
			}
		}
		if id != "" || err == nil || got != c.advice || calls.Load() != 1 {
			t.Errorf("%d %.60s: %q, %v, advice %d, %d calls", c.status, c.body, id, err, got, calls.Load())
		}
		if errors.Is(err, outbound.ErrNotSent) || errors.Is(err, outbound.ErrStale) {
			t.Errorf("%d %.60s: %v", c.status, c.body, err)
		}
		inClear(t, err)
	}
}

// TestManyCallsShareConnections keeps what is open open.
func TestManyCallsShareConnections(t *testing.T) {
	opened := atomic.Int32{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)                               //nolint:errcheck // a test
		io.WriteString(w, `{"messages":[{"id":"wamid.1"}]}`+"\n") //nolint:errcheck // a test
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	g := graph(t, server.URL)
	for range 100 {
		if _, err := g.Call(t.Context(), hello(ada), soon()); err != nil {
			t.Fatal(err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for 100 calls in turn", n)
	}
}

func BenchmarkCall(b *testing.B) {
	m, err := fake.New(fake.Options{Keep: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // a benchmark
	g := meta.NewGraph(m.URL(), tokens)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := g.Call(b.Context(), hello(ada), soon()); err != nil {
				b.Error(err)
			}
		}
	})
}
