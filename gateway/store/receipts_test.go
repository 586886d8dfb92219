package store_test

import (
	"fmt"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	"optgate/gateway/store"
)

func TestSentMessagesAreFoundByTheirIDs(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		for _, id := range []string{"wamid.A", "wamid.B"} {
			if err := s.NoteSent(t.Context(), "acme", id, "callback of "+id); err != nil {
				t.Fatal(err)
			}
		}
		find := func(account string, want map[string]string) {
			t.Helper()
			got, err := s.Callbacks(t.Context(), account, []string{"wamid.A", "wamid.B", "wamid.C"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("callbacks of %s (-want +got):\n%s", account, diff)
			}
		}
		find("acme", map[string]string{"wamid.A": "callback of wamid.A", "wamid.B": "callback of wamid.B"})
		find("globex", map[string]string{})
		many := make([]string, 1000)
		for i := range many {
			many[i] = fmt.Sprintf("wamid.%d", i)
		}
		many[10], many[990] = "wamid.A", "wamid.B"
		got, err := s.Callbacks(t.Context(), "acme", many)
		if err != nil || len(got) != 2 || got["wamid.B"] != "callback of wamid.B" {
			t.Errorf("two of a thousand: %v, %v", got, err)
		}
		wipe()
		find("acme", map[string]string{})
	})
}

// With a key for each message, a broadcast of some thousands made every command of the embedded Redis slow.
func TestSentMessagesTakeFewKeysThatEnd(t *testing.T) {
	server := miniredis.RunT(t)
	s := store.Open(store.Config{Addresses: []string{server.Addr()}, Prefix: "sent.", Shards: 2})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range 2000 {
		if err := s.NoteSent(t.Context(), "acme", fmt.Sprintf("wamid.%d", i), "callback"); err != nil {
			t.Fatal(err)
		}
	}
	keys := server.Keys()
	if most := 2 * 16 * 2; len(keys) > most { // shards, parts, and perhaps the turn of a period meanwhile
		t.Errorf("%d keys for 2,000 messages, not %d at most", len(keys), most)
	}
	for _, key := range keys {
		if ttl := server.TTL(key).Hours() / 24; ttl < 30 || ttl > 41 {
			t.Errorf("a key ends in %.1f days, not when Meta has had 30", ttl)
		}
	}
}
