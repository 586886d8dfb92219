// Command nethttp-kafkago is the gateway that a Go programmer writes in an afternoon: net/http, encoding/json, and kafka-go's
// Writer with acks=all. The environment names BROKERS, TOPIC and SECRET; LINGER is the Writer's BatchTimeout, its default of a
// second where it is not given.
package main

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
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "nethttp-kafkago:", err)
		os.Exit(1)
	}
}

func serve() error {
	var linger time.Duration
	if text := os.Getenv("LINGER"); text != "" {
		var err error
		if linger, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("LINGER: %w", err)
		}
	}
	p := &peer{secret: []byte(os.Getenv("SECRET")), topic: &kafka.Writer{
		Addr: kafka.TCP(strings.Split(os.Getenv("BROKERS"), ",")...), Topic: os.Getenv("TOPIC"),
		Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll, BatchTimeout: linger,
	}}
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
	secret []byte
	topic  *kafka.Writer
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
	if err := p.topic.WriteMessages(context.WithoutCancel(r.Context()), kafka.Message{Key: []byte(hook.key()), Value: body}); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
