package ingress_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/gateway/ingress"
	"optgate/gateway/meta"
)

// heavy is a webhook of n bytes.
func heavy(n int) string {
	return strings.Replace(greeting, "velvet otter", strings.Repeat("x", n-len(greeting)+len("velvet otter")), 1)
}

// TestSmallWebhooksDoNotStandInLineBehindLargeOnes lets large webhooks wait for Kafka: two of 2 MiB at once and no third, while
// small ones go past them; and all are kept in the end.
func TestSmallWebhooksDoNotStandInLineBehindLargeOnes(t *testing.T) {
	asked, acknowledge := make(chan int), make(chan struct{})
	d := open(t, nil)
	d.log.publishing = func(bytes int) {
		if bytes > 1<<20 {
			asked <- bytes
			<-acknowledge
		}
	}
	answered := make(chan int, 5)
	for range 5 {
		go func() { answered <- d.deliver(t, "/webhooks/meta", secret, heavy(2<<20)) }()
	}
	<-asked
	<-asked
	select {
	case <-asked:
		t.Error("a third is on its way to Kafka")
	case <-time.After(100 * time.Millisecond):
	}
	if status := d.deliver(t, "/webhooks/meta", secret, greeting); status != 200 {
		t.Errorf("a small one meanwhile: %d", status)
	}
	for range 3 {
		acknowledge <- struct{}{}
		<-asked
	}
	close(acknowledge)
	for range 5 {
		if status := <-answered; status != 200 {
			t.Error(status)
		}
	}
}

// TestWhoseTurnDoesNotComeIsToldToComeBack, and leaves the line to others.
func TestWhoseTurnDoesNotComeIsToldToComeBack(t *testing.T) {
	asked, acknowledge := make(chan struct{}, 5), make(chan struct{})
	d := open(t, func(o *ingress.Options) { o.Keep = 200 * time.Millisecond })
	d.log.publishing = func(int) {
		asked <- struct{}{}
		<-acknowledge
	}
	answered := make(chan int, 1)
	go func() { answered <- d.deliver(t, "/webhooks/meta", secret, heavy(3<<20)) }()
	<-asked
	if status := d.deliver(t, "/webhooks/meta", secret, heavy(2<<20)); status != 503 || d.counts.get("unavailable") != 1 {
		t.Errorf("%d, counted %v", status, d.counts.of)
	}
	close(acknowledge)
	if status := <-answered; status != 200 {
		t.Error(status)
	}
	if status := d.deliver(t, "/webhooks/meta", secret, heavy(2<<20)); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

// TestWhatCantBeKeptIsNotRead announces more than there is room for, and is answered before it has sent any of it; a small
// webhook is kept all the same.
func TestWhatCantBeKeptIsNotRead(t *testing.T) {
	asked, acknowledge := make(chan struct{}), make(chan struct{})
	d := open(t, func(o *ingress.Options) { o.InFlight = 4 << 20 })
	d.log.publishing = func(bytes int) {
		if bytes > 1<<20 {
			close(asked)
			<-acknowledge
		}
	}
	answered := make(chan int, 1)
	go func() { answered <- d.deliver(t, "/webhooks/meta", secret, heavy(2<<20)) }()
	<-asked
	from := d.talk(t, fmt.Sprintf("POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s",
		meta.Sign([]byte(secret), nil), 3<<20, strings.Repeat("x", 8<<10))) // as much as is read ahead
	resp, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || d.counts.get("busy") != 1 {
		t.Errorf("%s %v %v", resp.Status, resp.Header, err)
	}
	if status := d.deliver(t, "/webhooks/meta", secret, greeting); status != 200 {
		t.Errorf("a small one: %d", status)
	}
	close(acknowledge)
	if status := <-answered; status != 200 {
		t.Error(status)
	}
}
