// Package httpd is an HTTP server as a worker: it listens at birth, serves until its context ends, and then drains. It
// bounds headers, times, connections and requests, and knows nothing of what is served.
package httpd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"
)

// Handler answers one request. ctx is a plain one that ends when the server gives up draining; rc, and all bytes that
// come from it, are the handler's only until it returns.
type Handler func(ctx context.Context, rc *fasthttp.RequestCtx)

// Options say where and how to serve. Zero durations and numbers mean the defaults named beside them.
type Options struct {
	Key     string // configuration key of Listen, named where the address can't be had
	Listen  string // host:port; port 0 picks a free one
	Handler Handler

	// Admit decides by the header alone whether a request goes on: 0, or the status to refuse it with, before a byte of
	// the body is read and without a body of the answer. It may be asked more than once and has no effect. nil admits all.
	Admit func(h *fasthttp.RequestHeader) int
	// Refused is told once of every request that Admit refused, or that found too many running: 503. nil: nobody is.
	Refused func(status int)
	// Vital is asked while too many requests run, and says which are answered all the same. nil: none.
	Vital func(h *fasthttp.RequestHeader) bool

	Header      int           // most bytes of a header: 8 KiB
	Read        time.Duration // for a whole request, from its first byte: 30 s
	Write       time.Duration // for each write of an answer to get through: 15 s
	Idle        time.Duration // between requests of a connection: 60 s
	Park        time.Duration // after which a connection between requests gives its memory back: 5 s
	Drain       time.Duration // for requests in flight when the server stops: 10 s
	Requests    int           // that run at once, their bodies read; the others are told 503 with Retry-After: 2,048
	Connections int           // at once, at most as many as the process may open files for; see makeRoom: 16,384
	Log         zerolog.Logger
}

// Server serves one address. Make it with Listen; Run it once.
type Server struct {
	options  Options
	listener *listener
	fast     *fasthttp.Server
	running  atomic.Int64 // requests that have a slot

	requests    context.Context // ends when draining is given up
	endRequests context.CancelFunc
	streams     context.Context // ends when the server begins to stop
	endStreams  context.CancelFunc
}

// Listen binds the address. From now on connections queue up; Run serves them.
func Listen(o Options) (*Server, error) {
	o.Header = cmp.Or(o.Header, 8<<10)
	o.Read = cmp.Or(o.Read, 30*time.Second)
	o.Write = cmp.Or(o.Write, 15*time.Second)
	o.Idle = cmp.Or(o.Idle, time.Minute)
	o.Park = cmp.Or(o.Park, 5*time.Second)
	o.Drain = cmp.Or(o.Drain, 10*time.Second)
	o.Requests = cmp.Or(o.Requests, 2048)
	o.Connections = connections(cmp.Or(o.Connections, 16_384), o.Key, o.Log)
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("%s: listen on %q: %w", o.Key, o.Listen, err)
	}
	s := &Server{options: o}
	s.listener = newListener(ln.(*net.TCPListener), s) //nolint:forcetypeassert // what net.Listen gives for "tcp"
	s.requests, s.endRequests = context.WithCancel(context.Background())
	s.streams, s.endStreams = context.WithCancel(s.requests)
	s.fast = &fasthttp.Server{
		Handler:        s.serve,
		ErrorHandler:   s.unreadable,
		HeaderReceived: s.admit,
		ExpectHandler:  s.expect,
		ConnState:      s.turned,
		Logger:         terse{o.Log},

		ReadBufferSize:     o.Header,
		ReadTimeout:        o.Read,
		IdleTimeout:        o.Idle,
		Concurrency:        2 * o.Connections, // the listener refuses first; those hung up on may still be on their way out
		MaxRequestBodySize: 1 << 30,           // ReadBody limits each body
		StreamRequestBody:  true,

		MaxIdleWorkerDuration: 2 * time.Second, // of a goroutine whose connection is parked
		CloseOnShutdown:       true,

		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
	}
	return s, nil
}

// Addr gives host and port as they were bound.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close gives the address back. It is needed only where Run is never called.
func (s *Server) Close() error {
	s.endRequests()
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Run serves until ctx ends. Then it takes no more connections, ends streams, waits for requests in flight as long as
// Drain says, and cuts what is left. It returns an error only if it could not go on serving.
func (s *Server) Run(ctx context.Context) error {
	defer s.endRequests()
	ended := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() { s.listener.watch(ended) })
	helpers.Go(s.listener.accept)
	defer helpers.Wait()
	defer close(ended)
	defer s.listener.cut()
	served := make(chan error, 1)
	go func() { served <- s.fast.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.Addr(), cmp.Or(err, net.ErrClosed))
	case <-ctx.Done():
	}

	s.endStreams()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Drain)
	defer cancel()
	if err := s.fast.ShutdownWithContext(drain); err != nil {
		s.options.Log.Warn().Err(err).Str("address", s.Addr()).Msg("requests were cut off at the end of the drain")
	}
	s.endRequests()
	s.listener.cut()
	return <-served
}
