// Package nethttp is what the peers on net/http have in common: they verify, parse with encoding/json, produce, and then say
// 200. They differ in the client that produces.
package nethttp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// Produce keeps a webhook in Kafka, acks=all.
type Produce func(ctx context.Context, key, body []byte) error

// Serve serves on a free port of the loopback interface and says on stdout where. SECRET, in the environment, is the app's.
func Serve(produce Produce) error {
	p := &peer{secret: []byte(os.Getenv("SECRET")), produce: produce}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, "listening on", listener.Addr()); err != nil {
		return err
	}
	return http.Serve(listener, p) //nolint:gosec // a peer on the loopback interface, as one finds it
}

type peer struct {
	secret  []byte
	produce Produce
}

// webhook is as much of Meta's envelope as tells who is concerned.
type webhook struct {
	Entry []struct {
		Changes []struct {
			Value struct {
				Messages []struct {
					ID   string `json:"id"`
					From string `json:"from"`
				} `json:"messages"`
				Statuses []struct {
					ID        string `json:"id"`
					Recipient string `json:"recipient_id"`
				} `json:"statuses"`
			} `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

// key gives the person that the first item is of.
func (w *webhook) key() string {
	for _, e := range w.Entry {
		for _, c := range e.Changes {
			for _, m := range c.Value.Messages {
				return m.From
			}
			for _, s := range c.Value.Statuses {
				return s.Recipient
			}
		}
	}
	return ""
}

// ServeHTTP verifies, parses, produces, and then says 200.
func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 3<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, p.secret)
	mac.Write(body)
	given, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256="))
	if err != nil || !hmac.Equal(mac.Sum(nil), given) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var hook webhook
	if err := json.Unmarshal(body, &hook); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	// Not the request's context: who hangs up must not take others' messages out of the batch.
	if err := p.produce(context.WithoutCancel(r.Context()), []byte(hook.key()), body); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
