// Package webcall calls addresses that customers name: the only room that does. It goes to public addresses and to networks
// that the operator allows, and to no others, whatever names resolve to; it follows no redirect, and bounds in time and size
// whatever a receiver does. What is posted and why is decided elsewhere.
package webcall

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"optgate/pipeline/fault"
)

// Limits of one call.
const (
	DefaultTimeout = 10 * time.Second
	MaxAnswer      = 64 << 10 // bytes of an answer's body; the rest is not read

	connectWithin  = 3 * time.Second // one address
	maxHeader      = 16 << 10        // bytes of an answer's header
	addressesTried = 3
	idleFor        = 30 * time.Second
)

// userAgent names the caller to receivers.
const userAgent = "Optgate-Webhook/1"

// Options say where calls may go.
type Options struct {
	Allow    []netip.Prefix // networks that are not public and may be reached all the same
	Resolver resolver       // nil: the system's
	Roots    *x509.CertPool // who may vouch for receivers; nil: the system's
}

// resolver finds the addresses of a name; *net.Resolver has it.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Caller calls. It may be used by many at once.
type Caller struct {
	allow    []netip.Prefix
	resolver resolver
	dialer   net.Dialer
	client   *http.Transport // not http.Client, which looks where a redirect leads
}

// New makes a caller.
func New(o Options) *Caller {
	c := &Caller{allow: o.Allow, resolver: o.Resolver, dialer: net.Dialer{Timeout: connectWithin}}
	if c.resolver == nil {
		c.resolver = net.DefaultResolver
	}
	c.client = &http.Transport{
		Proxy: nil, DialContext: c.dial, // no proxy of the environment: it would resolve names anew, and reach anything
		TLSClientConfig:     &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: connectWithin, ResponseHeaderTimeout: DefaultTimeout, MaxResponseHeaderBytes: maxHeader,
		DisableCompression: true, // a small answer must not grow large here
		MaxIdleConns:       256, MaxIdleConnsPerHost: 16, IdleConnTimeout: idleFor,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 alone: its bounds are plain
	}
	return c
}

// Close lets idle connections go.
func (c *Caller) Close() { c.client.CloseIdleConnections() }

// Request is one call.
type Request struct {
	Method  string // "": POST
	URL     string
	Header  http.Header
	Body    []byte
	Timeout time.Duration // of the whole call; 0: DefaultTimeout
}

// Answer is what a receiver said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most MaxAnswer bytes
	Cut    bool   // there was more
}

// Call makes one call. An answer of any status is an answer, a redirect too: it is not followed. An error is a *fault.Error
// with a stable code, and neither its sentence nor its cause holds more of the URL than host and port. Where the body broke
// off after the header had come, both are given.
func (c *Caller) Call(ctx context.Context, r Request) (Answer, error) {
	target, err := parse(r.URL)
	if err != nil {
		return Answer{}, err
	}
	if r.Timeout <= 0 {
		r.Timeout = DefaultTimeout
	}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.Method, target.String(), bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, fault.New(fault.Unprocessable, "bad_url", "The URL can't be called.")
	}
	maps.Copy(request.Header, r.Header)
	request.Header.Set("User-Agent", userAgent)
	response, err := c.client.RoundTrip(request)
	if err != nil {
		return Answer{}, classify(err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing more is read
	answer := Answer{Status: response.StatusCode, Header: response.Header}
	answer.Body, err = io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	if len(answer.Body) > MaxAnswer {
		answer.Body, answer.Cut = answer.Body[:MaxAnswer], true
	}
	if err != nil {
		return answer, classify(err)
	}
	return answer, nil
}

// Check says whether a URL may be kept to be called later: its form, and every address that its host has now. Each call looks
// again; so a host that isn't found yet will do, unless its name is one of a private network.
func (c *Caller) Check(ctx context.Context, target string) error {
	u, err := parse(target)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	_, err = c.resolve(ctx, u.Hostname())
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errUnknownHost) {
		return err
	}
	if isInner(u.Hostname()) {
		return errForbidden
	}
	return nil
}

// dial connects to a host's address after every one of its addresses was looked at. The name is resolved here, once, and
// nowhere else: a second look might be told another address.
func (c *Caller) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, badURL("has no host.")
	}
	addresses, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var last error
	for _, a := range addresses[:min(len(addresses), addressesTried)] {
		conn, err := c.dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

var (
	errUnknownHost = fault.New(fault.Unprocessable, "unknown_host", "The URL's host can't be found: check its name.")
	errForbidden   = fault.New(fault.Unprocessable, "forbidden_address",
		"The URL leads to a network that is not public. Use a public address, or have the operator allow the network (webcall.allow).")
)

// resolve gives a host's addresses, if all of them may be called.
func (c *Caller) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	addresses := []netip.Addr{}
	if literal, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, literal)
	} else if addresses, err = c.resolver.LookupNetIP(ctx, "ip", host); err != nil || len(addresses) == 0 {
		if ctx.Err() != nil {
			return nil, context.DeadlineExceeded
		}
		return nil, errUnknownHost
	}
	for i, a := range addresses {
		if addresses[i] = a.Unmap(); !c.may(a) {
			return nil, errForbidden
		}
	}
	return addresses, nil
}

// classify gives an error its code. The cause, which may repeat what a receiver sent, is left out.
func classify(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	var timeout net.Error
	var wrongName *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.Is(err, context.Canceled):
		return fault.New(fault.Unavailable, "cancelled", "The call was broken off.")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fault.New(fault.Unavailable, "timeout", "The receiver took too long to answer.")
	case errors.As(err, &wrongName), errors.As(err, &noTLS), strings.Contains(err.Error(), "tls: "):
		return fault.New(fault.Unavailable, "tls", "The receiver's certificate or TLS can't be trusted.")
	case isDial(err):
		return fault.New(fault.Unavailable, "unreachable", "The receiver can't be reached.")
	}
	return fault.New(fault.Unavailable, "broken_answer", "The receiver's answer broke off or is no HTTP.")
}

func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
