package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// shared is a buffer that is written by one goroutine and read by another.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestRunIntroducesItselfShowsFiguresAndDrains(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	public, private := freeAddress(t), freeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, complaints shared
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"run", "--data-dir", dir, "--public", public, "--private", private, "--rate", "200"},
			terminal{out: &out, err: &complaints})
	}()
	limit, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	if err := eventually(limit, "it shows figures", func() (bool, error) { return strings.Contains(out.String(), "received"), nil }); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), complaints.String())
	}
	token, err := os.ReadFile(filepath.Join(dir, tokenFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"http://" + public + "/webhooks/meta", "http://" + private + "/v1", strings.TrimSpace(string(token)), "curl", dir} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("says nothing of %q:\n%s", words, out.String())
		}
	}
	api := gatewayFlags{API: "http://" + private}.client()
	if err := eventually(limit, "people opt out and are answered", func() (bool, error) {
		m, err := api.samples(limit)
		now := summarise(m)
		return err == nil && now.kept > 0 && now.optedOut > 0 && now.sent > 0, err
	}); err != nil {
		t.Error(err)
	}
	secret, err := os.ReadFile(filepath.Join(dir, secretFile))
	if err != nil || strings.Contains(out.String(), strings.TrimSpace(string(secret))) {
		t.Errorf("shows the app secret, or has none: %v", err)
	}
	cancel()
	if code := <-ended; code != exitFine {
		t.Errorf("exit code %d: %s", code, complaints.String())
	}
	log, err := os.ReadFile(filepath.Join(dir, "optgate.log"))
	if err != nil || !bytes.Contains(log, []byte(`"message":"ready"`)) {
		t.Errorf("the log does not say ready: %v", err)
	}
}

func TestRunNamesTheKeyOfAPortThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nothing was said through it
	got := command(t, nil, "run", "--data-dir", t.TempDir(), "--public", taken.Addr().String(), "--private", "127.0.0.1:0")
	if got.code != exitFailed || !strings.Contains(got.err, "public.listen") {
		t.Errorf("%d %s", got.code, got.err)
	}
}
