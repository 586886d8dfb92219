package meta

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/outbound"
)

// Times and sizes of calls to Graph.
const (
	answerTimeout = 30 * time.Second // of a whole call; after it nobody knows
	dialTimeout   = 10 * time.Second
	// idleTimeout is well below a server's, so that a call seldom meets a connection that Meta is just closing: such a
	// call would end as unknown.
	idleTimeout = 15 * time.Second
	// connections is enough for 1,000 messages a second at an answer time of a second.
	connections = 1024
	maxAnswer   = 64 << 10
)

// Tokens gives the phone number id and access token of an account's channel; ok is false where it has none.
type Tokens func(account, channel string) (numberID, token string, ok bool)

// Graph hands messages to Meta's Graph API. It is an outbound.Caller, for any number of goroutines. It speaks HTTP/1.1,
// where a body is either not begun or perhaps delivered; it follows no redirect and repeats nothing by itself.
type Graph struct {
	base      string
	tokens    Tokens
	transport *http.Transport
}

// NewGraph makes a client of the API at base, as https://graph.facebook.com/v26.0. It opens connections when it needs them.
func NewGraph(base string, tokens Tokens) *Graph {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: idleTimeout}
	return newGraph(base, tokens, dialer.DialContext)
}

func newGraph(base string, tokens Tokens, dial func(ctx context.Context, network, address string) (net.Conn, error)) *Graph {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &Graph{base: strings.TrimRight(base, "/"), tokens: tokens, transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		Protocols:              &protocols,
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           connections,
		MaxIdleConnsPerHost:    connections,
		MaxConnsPerHost:        connections,
		MaxResponseHeaderBytes: maxAnswer,
		DisableCompression:     true,
	}}
}

// Close closes the connections that no call uses.
func (g *Graph) Close() { g.transport.CloseIdleConnections() }

// Call hands one message over and gives its wamid. Its errors are those that outbound.Caller names; none of them holds a
// number, a message id or a token. A call that would have to wait for a connection longer than good ends as ErrStale, and
// the connection is there for the next one.
func (g *Graph) Call(ctx context.Context, m chat.Outbound, good time.Time) (messageID string, err error) {
	number, token, ok := g.tokens(m.Account, m.Channel)
	if !ok {
		return "", &outbound.Refusal{Title: "channel has no access token", Advice: outbound.Halt}
	}
	payload, err := payload(m)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	body := newBody(payload, good)
	late := time.AfterFunc(time.Until(good), func() {
		if body.spoil() {
			stop(outbound.ErrStale)
		}
	})
	defer late.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+"/"+url.PathEscape(number)+"/messages", body)
	if err != nil {
		return "", &outbound.Refusal{Title: "graph_url or number is no URL", Advice: outbound.Halt}
	}
	request.ContentLength = int64(len(payload))
	request.GetBody = nil // a body that can't be had again is never sent again
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "optgate")
	response, err := g.transport.RoundTrip(request)
	if err != nil {
		return "", body.failed(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read as far as it matters
	return answered(response)
}

// failure is a call's failure in words without personal data; the cause stays for errors.Is.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.cause }

// clean makes a failure of the network's error, whose text may hold the URL.
func clean(err error) error {
	return &failure{text: "call to graph: " + scrub(err.Error()), cause: err}
}

// notSent says that the message is still here, and why.
func notSent(err error) error { return fmt.Errorf("%w: %w", outbound.ErrNotSent, clean(err)) }
