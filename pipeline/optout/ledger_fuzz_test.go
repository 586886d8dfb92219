package optout

import (
	"context"
	"testing"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// FuzzVerifier: whatever stands in a log, it is judged; a record put into a whole ledger never goes unnoticed unless it is a
// claim.
func FuzzVerifier(f *testing.F) {
	whole := ledgerOf(f, 12, 3)
	f.Add([]byte("1"), whole[3].Value, "3.0", "", uint8(5))
	f.Add([]byte("claim"), []byte(`{"v":1}`), "", "", uint8(0))
	f.Add([]byte("1"), []byte(`{"prev":-9}`), "", whole[1].Header(shard.HeaderChain), uint8(1))
	f.Fuzz(func(t *testing.T, key, value []byte, cause, chain string, at uint8) {
		n := int(at) % len(whole)
		log := copied(whole)
		added := stream.Record{Topic: stream.Consent, Key: key, Value: value, Headers: []stream.Header{
			{Key: "v", Value: "1"}, {Key: shard.HeaderCause, Value: cause}, {Key: shard.HeaderChain, Value: chain},
		}}
		log = append(log[:n:n], append([]stream.Record{added}, log[n:]...)...)
		for i := range log {
			log[i].Offset = int64(i)
		}
		v := NewVerifier("here", 0, cursorOf(whole), nil, func(_ context.Context, offset int64) (stream.Record, error) {
			if offset < 0 || offset >= int64(len(log)) {
				return stream.Record{}, stream.ErrTruncated
			}
			return log[offset], nil
		})
		for i := range log {
			if err := v.Take(t.Context(), &log[i]); err != nil {
				t.Fatal(err)
			}
		}
		if got := v.End(int64(len(log))); got.OK && shard.IsRow(&added) {
			t.Errorf("a row added at %d goes unnoticed: %+v", n, got)
		}
	})
}
