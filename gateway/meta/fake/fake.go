// Package fake is Meta's side inside the process: the Cloud API as a server, and webhooks of every kind, signed and
// redelivered until they are answered 200. Tests, the demo, the benchmarks and `optgate simulate` use it. Everything it
// makes up is fictional: numbers of the drama range, ids that nobody has.
package fake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how Meta behaves. The zero value accepts every send and delivers nothing.
type Options struct {
	Listen  string // of the Cloud API; "": a free port of 127.0.0.1
	Webhook string // the gateway's URL for webhooks; "": none are delivered
	Secret  []byte // signs them
	Token   string // that sends must bear; "": any will do

	// Answer decides each send that no script is left for; nil accepts. It is called by many goroutines.
	Answer func(Send) Outcome
	// Upload decides each upload of media; nil takes it in.
	Upload func(Upload) Outcome
	// Templates are what every business account has; nil: Graph refuses to tell.
	Templates []Template
	// Receipts are told of each accepted send; nil means sent, delivered, read.
	Receipts []string
	// ReceiptDelay is about how long each receipt takes after the one before; now and then one overtakes another.
	ReceiptDelay time.Duration
	// Backoff is the wait before a body is delivered again; it doubles up to 64 times itself. Zero means 100 ms.
	Backoff time.Duration
	// Keep is how many sends are remembered, the latest; zero means all.
	Keep int
	// Seed makes delays and disorder repeatable.
	Seed uint64
}

// Meta is a running fake. All its methods may be called by many goroutines.
type Meta struct {
	options  Options
	address  string
	server   *http.Server
	client   *http.Client
	receipts *postman

	instance string // makes ids unlike those of a Meta before
	count    atomic.Int64
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	sends   []Send
	scripts map[string][]Outcome
	about   map[string]any // numbers; see SetNumber
	uploads []Upload

	templates     []Template
	templateReads int

	news chan struct{} // closed and made anew at each send
}

// New starts a Meta; Close ends it.
func New(o Options) (*Meta, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Receipts == nil {
		o.Receipts = []string{"sent", "delivered", "read"}
	}
	if o.Backoff <= 0 {
		o.Backoff = 100 * time.Millisecond
	}
	var listening net.ListenConfig
	ctx, stop := context.WithCancel(context.Background())
	listener, err := listening.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		stop()
		return nil, fmt.Errorf("simulated Meta: %w", err)
	}
	instance := make([]byte, 6)
	rand.Read(instance)
	m := &Meta{
		options: o, address: listener.Addr().String(), stop: stop,
		instance: hex.EncodeToString(instance), scripts: map[string][]Outcome{}, news: make(chan struct{}),
		templates: o.Templates,
		client: &http.Client{
			Timeout:   time.Minute,
			Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second},
		},
	}
	m.receipts = newPostman(m, o.Seed)
	m.server = &http.Server{Handler: m.handler(), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	m.running.Go(func() { m.server.Serve(listener) }) //nolint:errcheck // it ends with ErrServerClosed
	m.running.Go(func() { m.receipts.run(ctx) })
	return m, nil
}

// URL is what graph_url is set to.
func (m *Meta) URL() string { return "http://" + m.address + "/v26.0" }

// Close cuts off every call, forgets receipts that are not yet delivered, and waits for what Meta itself does.
func (m *Meta) Close() error {
	m.stop()
	err := m.server.Close()
	m.running.Wait()
	m.client.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("simulated Meta: %w", err)
	}
	return nil
}

// Sends gives the remembered sends in the order in which they came.
func (m *Meta) Sends() []Send {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Send(nil), m.sends...)
}

// To gives the remembered sends to one person: digits of a phone, or a BSUID.
func (m *Meta) To(person string) []Send {
	var sends []Send
	for _, s := range m.Sends() {
		if s.Person == person {
			sends = append(sends, s)
		}
	}
	return sends
}

// Await waits until the remembered sends are as wanted, or ctx ends.
func (m *Meta) Await(ctx context.Context, wanted func([]Send) bool) error {
	for {
		m.mu.Lock()
		news := m.news
		m.mu.Unlock()
		if wanted(m.Sends()) {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("await sends: %w", ctx.Err())
		}
	}
}

// Script decides the next sends to one person, before Answer is asked: the first outcome for the first send, and so on.
func (m *Meta) Script(person string, outcomes ...Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts[person] = append(m.scripts[person], outcomes...)
}
