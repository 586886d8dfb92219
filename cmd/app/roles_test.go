package app

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/store"
	"optgate/pipeline/chat"
)

type caller struct{}

func (caller) Call(context.Context, chat.Outbound, time.Time) (string, error) { return "wamid.x", nil }

// What Meta has taken must be told soon, whatever Redis does: until it is, a crash would make it Unknown.
func TestTheIndexOfReceiptsHoldsNoAnswerUp(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := store.Open(store.Config{Addresses: []string{silent.Addr().String()}, Prefix: "x.", Shards: 2})
	defer s.Close()
	began := time.Now()
	id, err := noting{caller{}, s, zerolog.Nop()}.Call(t.Context(), chat.Outbound{Account: "acme", ID: "b1.1", Broadcast: "b1", Row: 1}, time.Now())
	if took := time.Since(began); id != "wamid.x" || err != nil || took > 3*time.Second {
		t.Errorf("%q, %v after %v", id, err, took)
	}
}
