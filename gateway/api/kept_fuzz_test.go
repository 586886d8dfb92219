package api

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// FuzzHeads: whatever is given as heads, each one taken can be compared with a ledger of that size.
func FuzzHeads(f *testing.F) {
	chain := strings.Repeat("0a", 32)
	f.Add([]byte(`{"day":"2026-11-22","partition":0,"offset":41,"chain":"` + chain + `"}` + "\n\n" + `{"partition":1,"offset":0,"chain":"` + chain + `"}`))
	f.Add([]byte(`{"partition":0,"offset":1e99,"chain":""}`))
	f.Add([]byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		heads, err := parseHeads(body, 2)
		if err != nil && heads != nil {
			t.Error("heads beside an error")
		}
		for p, all := range heads {
			for _, h := range all {
				if _, err := shard.ParseChain(h.Chain); err != nil || p != h.Partition || p < 0 || p > 1 || h.Offset < 0 {
					t.Errorf("%+v in %d: %v", h, p, err)
				}
			}
		}
	})
}

// FuzzInstant: what is taken for a time is one, and how long ago is never later than now.
func FuzzInstant(f *testing.F) {
	for _, text := range []string{"", "7d", "12h", "30m", "2026-11-22", "2026-11-22T10:00:00+14:00", "d", "-1d", "65536d", "1.5h", "９d"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := instantOf(text, now)
		if !ok && !at.IsZero() {
			t.Errorf("%q is refused and is %v", text, at)
		}
		if ok && text != "" && strings.ContainsAny(text[len(text)-1:], "dhm") && at.After(now) {
			t.Errorf("%q ago is %v", text, at)
		}
	})
}

// FuzzRevived: whatever a dead letter says of itself, its bytes go nowhere but to inbound, or to the shard of a command, and
// they go as they are.
func FuzzRevived(f *testing.F) {
	f.Add("inbound/0/7", "1794300000000", "main", []byte(`{"a":1}`))
	f.Add("commands/1/7", "", "", []byte(`{"v":1,"id":"a","kind":"consent.change","made":1,"body":{}}`))
	f.Add("commands/99999999999999999999/7", "1", "", []byte(`{"id":"a"}`))
	f.Add("ingress", "-1", "", []byte("{"))
	a := &API{Options: Options{Shards: 2}}
	f.Fuzz(func(t *testing.T, source, received, app string, value []byte) {
		r, skipped := a.revived(&stream.Record{Value: value, Headers: []stream.Header{
			{Key: "source", Value: source}, {Key: "received_at", Value: received}, {Key: "app", Value: app},
		}})
		switch {
		case (r == nil) == (skipped == ""):
			t.Errorf("%v and %q", r, skipped)
		case r == nil:
		case !bytes.Equal(r.Value, value):
			t.Error("other bytes")
		case r.Topic == stream.Inbound && r.Partition == stream.Anywhere && r.Header("received_at") == received && r.Header("app") == app:
		case r.Topic == stream.Commands && r.Partition >= 0 && r.Partition < 2 && len(r.Key) > 0:
		default:
			t.Errorf("goes to %+v", r)
		}
	})
}
