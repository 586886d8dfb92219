package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// front stands before the gateways that take webhooks, as a load balancer does: it takes turns, waits a little for an
// answer, and tells its caller the truth.
type front struct {
	server *http.Server
	url    string
	backs  atomic.Pointer[[]string] // host:port of each gateway
}

// patienceOfFront is how long it waits for an answer, as Meta waits at most some seconds.
const patienceOfFront = 5 * time.Second

// newFront starts one that has no gateways yet.
func newFront() (*front, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it listens at once
	if err != nil {
		return nil, fmt.Errorf("load balancer: %w", err)
	}
	f := &front{url: "http://" + listener.Addr().String() + "/webhooks/meta"}
	f.lead(nil)
	var turn atomic.Int64
	transport := &http.Transport{ResponseHeaderTimeout: patienceOfFront, MaxIdleConnsPerHost: 64}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			backs := *f.backs.Load()
			if len(backs) > 0 { // else the URL has no host, which is an error
				r.SetURL(&url.URL{Scheme: "http", Host: backs[int(turn.Add(1))%len(backs)]})
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	f.server = &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		if err := f.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // nothing else ends it
		}
		transport.CloseIdleConnections()
	}()
	return f, nil
}

// lead says where webhooks go.
func (f *front) lead(backs []string) { f.backs.Store(&backs) }

func (f *front) close() { _ = f.server.Close() }
