package ingress_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/httpd"
	"optgate/gateway/ingress"
	"optgate/gateway/meta"
	"optgate/pipeline/stream"
)

const (
	secret   = "main-secret"
	previous = "main-secret-before"
	others   = "other-secret"
	greeting = `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{` +
		`"messaging_product":"whatsapp","metadata":{"phone_number_id":"155"},` +
		`"messages":[{"from":"447700900001","id":"wamid.X","type":"text","text":{"body":"velvet otter"}}]}}]}]}`
)

// log is Kafka as the listener sees it: it keeps what is published, or says what it was told to.
type log struct {
	mu      sync.Mutex
	kept    []stream.Record
	publish func(ctx context.Context) error // nil: at once

	publishing func(bytes int) // sees each call before; nil: nobody does
}

func (l *log) Publish(ctx context.Context, records ...*stream.Record) error {
	if l.publishing != nil {
		bytes := 0
		for _, r := range records {
			bytes += len(r.Value)
		}
		l.publishing(bytes)
	}
	if l.publish != nil {
		if err := l.publish(ctx); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		kept := *r
		kept.Value = bytes.Clone(r.Value)
		l.kept = append(l.kept, kept)
	}
	return nil
}

func (l *log) records() []stream.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept
}

// counts is what was counted.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[what]++
}

func (c *counts) get(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[what]
}

func (c *counts) Webhook(result string, _ time.Duration) { c.add(result) }
func (c *counts) Dead(reason string)                     { c.add("dead " + reason) }
func (c *counts) Link(result string)                     { c.add("link " + result) }

// door is a public listener on a port of its own.
type door struct {
	url    string
	addr   string
	log    *log
	counts *counts
	said   *lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func open(t *testing.T, with func(*ingress.Options)) door {
	t.Helper()
	d := door{log: &log{}, counts: &counts{of: map[string]int{}}, said: &lockedBuffer{}}
	o := ingress.Options{
		Apps: []ingress.App{
			{ID: "main", VerifyToken: "verify-main", Secrets: [][]byte{[]byte(secret), []byte(previous)}},
			{ID: "other", VerifyToken: "verify-other", Secrets: [][]byte{[]byte(others)}},
		},
		Publisher: d.log, Metrics: d.counts,
		Now: func() time.Time { return time.UnixMilli(1794300000123) },
		Log: zerolog.New(d.said).Level(zerolog.DebugLevel),
	}
	if with != nil {
		with(&o)
	}
	i := ingress.New(o)
	s, err := httpd.Listen(httpd.Options{
		Listen: "127.0.0.1:0", Handler: i.Handle, Admit: i.Admit, Refused: i.Refused, Read: 5 * time.Second, Log: o.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	d.addr, d.url = s.Addr(), "http://"+s.Addr()
	return d
}

func (d door) do(t *testing.T, method, path, sign, body string) (status int, answer string, header http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if sign != "" {
		req.Header.Set("X-Hub-Signature-256", sign)
	}
	return ask(t, req)
}

// ask makes a request and reads its answer.
func ask(t *testing.T, req *http.Request) (status int, answer string, header http.Header) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// deliver posts a body as Meta does, signed with a secret, and gives the status.
func (d door) deliver(t *testing.T, path, key, body string) int {
	t.Helper()
	status, _, _ := d.do(t, "POST", path, meta.Sign([]byte(key), []byte(body)), body)
	return status
}

func TestHandshake(t *testing.T) {
	d := open(t, nil)
	for query, f := range map[string]struct {
		path   string
		status int
	}{
		"hub.mode=subscribe&hub.challenge=115<8&hub.verify_token=verify-main":      {"/webhooks/meta", 200},
		"hub.mode=subscribe&hub.challenge=115<8&hub.verify_token=verify-other":     {"/webhooks/meta", 200},
		"hub.mode=subscribe&hub.challenge=115<8&hub.verify_token=verify%2Dmain":    {"/webhooks/meta/main", 200},
		"hub.mode=subscribe&hub.challenge=115%3C8&hub.verify_token=verify-other&a": {"/webhooks/meta/main", 403},
		"hub.mode=subscribe&hub.challenge=115<8&hub.verify_token=verify-mai":       {"/webhooks/meta", 403},
		"hub.mode=subscribe&hub.challenge=115<8&hub.verify_token=":                 {"/webhooks/meta", 403},
		"hub.mode=unsubscribe&hub.challenge=115<8&hub.verify_token=verify-main":    {"/webhooks/meta", 403},
		"hub.mode=subscribe&hub.verify_token=verify-main":                          {"/webhooks/meta", 403},
		"hub.mode=subscribe&hub.challenge=1158&hub.verify_token=verify-main":       {"/webhooks/meta/nobody", 403},
		"": {"/webhooks/meta", 403},
	} {
		status, body, header := d.do(t, "GET", f.path+"?"+query, "", "")
		if status != f.status || status == 200 && body != "115<8" || status != 200 && body != "" {
			t.Errorf("%s?%s: %d %q", f.path, query, status, body)
		}
		if status == 200 && !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
			t.Errorf("answered as %q", header.Get("Content-Type"))
		}
	}
}

func TestEachURLTakesItsMethods(t *testing.T) {
	d := open(t, nil)
	for _, f := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/healthz", 200, ""},
		{"HEAD", "/readyz", 200, ""},
		{"POST", "/healthz", 405, "GET, HEAD"},
		{"DELETE", "/readyz", 405, "GET, HEAD"},
		{"PUT", "/webhooks/meta", 405, "GET, POST"},
		{"GET", "/", 404, ""},
		{"GET", "/webhooks", 404, ""},
		{"POST", "/webhooks/metamain", 404, ""},
		{"POST", "/webhooks/meta/", 404, ""},
		{"POST", "/webhooks/meta/main/more", 404, ""},
		{"POST", "/webhooks/meta/nobody", 404, ""},
	} {
		status, _, header := d.do(t, f.method, f.path, "", "")
		if status != f.status || header.Get("Allow") != f.allow {
			t.Errorf("%s %s: %d, Allow %q", f.method, f.path, status, header.Get("Allow"))
		}
	}
}
