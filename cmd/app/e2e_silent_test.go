package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/gateway/embedded"
	"optgate/gateway/meta/fake"
)

// TestRedisSilent lets Redis take everything and answer nothing, as behind a broken network: ingress goes on to keep, and
// says that it can, else whoever balances the load would take it away from Meta.
func TestRedisSilent(t *testing.T) {
	together(t)
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	line := extend(t, e.Redis)
	w := begin(t, servers{redis: []string{line.Addr().String()}})
	t.Cleanup(func() { line.set(whole) })
	line.set(silent)
	for began := time.Now(); time.Since(began) < 12*time.Second; quiet(t, 500*time.Millisecond) {
		if _, roles := w.ready(); !strings.Contains(roles, `"ingress":{"ready":true}`) {
			t.Fatalf("after %v: %s", time.Since(began), roles)
		}
		if status, _ := w.post(fake.Text(acme, person(860), "hello", time.Now())); status != http.StatusOK {
			t.Fatalf("after %v a webhook is answered %d", time.Since(began), status)
		}
	}
}
