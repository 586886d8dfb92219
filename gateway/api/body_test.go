package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"optgate/gateway/api"
	"optgate/pipeline/optout"
)

// slow is where accounts are looked up only when it is told to.
type slow struct{ asked, goOn chan struct{} }

func (s slow) Account(ctx context.Context, _ string) (optout.Account, error) {
	s.asked <- struct{}{}
	select {
	case <-s.goOn:
	case <-ctx.Done():
	}
	return optout.Account{}, errors.New("no account")
}

// TestTooManyLargeCallsAreToldToComeBack holds four broadcasts of 16 MiB in hand: there is room for no fifth, and
// for everybody once they are answered.
func TestTooManyLargeCallsAreToldToComeBack(t *testing.T) {
	s := slow{make(chan struct{}, 10), make(chan struct{})}
	w := newWorld(t, func(o *api.Options) { o.Accounts = s })
	w.client.Timeout = 12 * time.Second
	large := strings.Repeat("x", 16<<20)
	done := make(chan int, 6)
	for range 4 {
		go func() { done <- w.call(t, "acme-admin", "POST", "/v1/broadcasts", large).status }()
	}
	for range 4 {
		<-s.asked
	}
	r := w.call(t, "acme-admin", "POST", "/v1/broadcasts", large[:10<<20])
	if r.is(503, "busy"); r.header.Get("Retry-After") == "" {
		t.Error(r.header)
	}
	close(s.goOn)
	for range 4 {
		if status := <-done; status != 500 {
			t.Error(status)
		}
	}
	w.call(t, "acme-admin", "POST", "/v1/broadcasts", large[:10<<20]).is(500, "internal")
}
