package meta

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/outbound"
)

// TestASlowConnectionIsThereForTheNextCall opens a connection for longer than the gate's answer is good: nothing is sent
// on it then, and the call after it does not wait.
func TestASlowConnectionIsThereForTheNextCall(t *testing.T) {
	sends := atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sends.Add(1)
		io.Copy(io.Discard, r.Body)                          //nolint:errcheck // a test
		io.WriteString(w, `{"messages":[{"id":"wamid.1"}]}`) //nolint:errcheck // a test
	}))
	defer server.Close()
	dials, ready, never := atomic.Int32{}, make(chan struct{}), make(chan struct{})
	defer close(never)
	var dialer net.Dialer
	g := newGraph(server.URL, func(string, string) (string, string, bool) { return "1", "t", true },
		func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				<-ready
				return dialer.DialContext(ctx, network, address)
			}
			<-never
			return nil, io.EOF
		})
	defer g.Close()
	m := chat.Outbound{To: "phone:447700900101", Message: json.RawMessage(`{"type":"text","text":{"body":"Hi"}}`)}
	if _, err := g.Call(t.Context(), m, time.Now().Add(20*time.Millisecond)); !errors.Is(err, outbound.ErrStale) {
		t.Fatalf("no connection in time: %v", err)
	}
	go close(ready)
	if _, err := g.Call(t.Context(), m, time.Now().Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if sends.Load() != 1 {
		t.Errorf("%d sends", sends.Load())
	}
}

func TestABodyIsBegunInTimeOrNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf := make([]byte, 2)
		b := newBody([]byte("abcd"), time.Now().Add(250*time.Millisecond))
		time.Sleep(250 * time.Millisecond) // the bubble's clock
		if n, err := b.Read(buf); n != 2 || err != nil {
			t.Fatalf("the last moment is in time: %d, %v", n, err)
		}
		time.Sleep(time.Hour)
		if n, err := b.Read(buf); n != 2 || err != nil || string(buf) != "cd" {
			t.Errorf("what is begun goes on: %d, %v", n, err)
		}
		if b.spoil() {
			t.Error("spoiled what is gone")
		}

		b = newBody([]byte("abcd"), time.Now().Add(250*time.Millisecond))
		time.Sleep(251 * time.Millisecond)
		if n, err := b.Read(buf); n != 0 || !errors.Is(err, outbound.ErrStale) {
			t.Errorf("too late: %d, %v", n, err)
		}

		b = newBody([]byte("abcd"), time.Now().Add(time.Hour))
		err := b.failed(io.ErrUnexpectedEOF)
		if n, readErr := b.Read(buf); n != 0 || readErr == nil {
			t.Errorf("read %d bytes of what was said to be not sent (%v)", n, err)
		}
	})
}
