package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"optgate/gateway/meta/fake"
)

// listenerThat is a gateway's public listener that answers 200 to what the secret signed.
func listenerThat(t *testing.T, secret string) (server *httptest.Server, kept *atomic.Int64) {
	t.Helper()
	kept = &atomic.Int64{}
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if err != nil || r.URL.Path != "/webhooks/meta" ||
			r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		kept.Add(1)
	}))
	t.Cleanup(server.Close)
	return server, kept
}

func TestSimulateDeliversSignedWebhooksAndServesTheCloudAPI(t *testing.T) {
	gateway, kept := listenerThat(t, "s3cret")
	graph := freeAddress(t)
	called := make(chan error, 1)
	go func() {
		called <- eventually(t.Context(), "the Cloud API answers", func() (bool, error) {
			answer, err := http.Post("http://"+graph+"/v26.0/155/messages", "application/json",
				strings.NewReader(`{"messaging_product":"whatsapp","to":"+447700900001","type":"text","text":{"body":"Hi"}}`))
			if err != nil {
				return false, err
			}
			return answer.StatusCode == http.StatusOK, answer.Body.Close()
		})
	}()
	got := command(t, nil, "simulate", "--gateway", gateway.URL, "--app-secret", "s3cret", "--phone-number-id", "155", "--listen", graph,
		"--rate", "200", "--duration", "1s", "--stops", "20")
	if err := <-called; err != nil {
		t.Error(err)
	}
	if got.code != exitFine || kept.Load() == 0 || !strings.Contains(got.out, "accepted text 1") {
		t.Fatalf("%d, %d kept\n%s%s", got.code, kept.Load(), got.out, got.err)
	}
	var items, bodies, posts, stops int
	var took, rate string
	summary := got.out[strings.IndexByte(got.out, '\n')+1:]
	if _, err := fmt.Sscanf(summary, "%d items in %d webhooks kept in %s %s items/s, by %d posts; %d STOPs",
		&items, &bodies, &took, &rate, &posts, &stops); err != nil {
		t.Fatalf("%v: %s", err, summary)
	}
	if items < 50 || stops < items/20 || posts < bodies || strings.Contains(got.out, "s3cret") {
		t.Errorf("%s", got.out)
	}
}

func TestSharesOfErrors(t *testing.T) {
	c := simulateCommand{Errors: map[string]float64{"130429": 0.5, "drop": 0.5}}
	a, err := c.answers()
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if o := a.decide(fake.Send{}); o.Code != 130429 && !o.Drop {
			t.Errorf("an answer that no share is left for: %+v", o)
		}
	}
	for _, wrong := range []map[string]float64{{"slow": 0.1}, {"-1": 0.1}, {"500": 1.5}, {"500": -1}} {
		c := simulateCommand{Errors: wrong}
		if _, err := c.answers(); err == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}

func TestShareOfStops(t *testing.T) {
	for _, stops := range []float64{0, 4, 50} {
		mix, sum := mixWith(stops), 0
		for _, share := range mix {
			sum += share
		}
		if got := 100 * float64(mix["stop"]) / float64(sum); got < stops-1 || got > stops+1 {
			t.Errorf("%g of a hundred items are STOPs, not %g", got, stops)
		}
	}
}

// freeAddress gives an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}
