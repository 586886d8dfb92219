package outbound

import (
	"strconv"
	"testing"
	"time"

	"optgate/pipeline/stream"
)

func TestSeenForgetsWholeDaysAfterEight(t *testing.T) {
	s := newSeen()
	start := time.Unix(1_800_000_000, 0)
	s.add(start, "acme", "b", "b.7", 7)
	s.add(start, "acme", "", "single", 0)
	both := func() bool { return s.has("acme", "b", "b.7", 7) && s.has("acme", "", "single", 0) }
	for hours := range 8 * 24 {
		s.add(start.Add(time.Duration(hours)*time.Hour), "acme", "", strconv.Itoa(hours), 0)
		if !both() {
			t.Fatalf("forgotten after %d hours", hours)
		}
	}
	s.add(start.Add(10*24*time.Hour), "acme", "", "later", 0)
	if both() {
		t.Error("kept for ever")
	}
}

func TestSeenKnowsRowsFromIDsThatLookAlike(t *testing.T) {
	s := newSeen()
	s.add(time.Now(), "acme", "b", "b.7", 7)
	for _, other := range []struct {
		account, broadcast, id string
		row                    int
	}{
		{"acme", "b", "b.8", 8}, {"acme", "b", "b.07", 7}, {"acme", "b", "x", 7}, {"other", "b", "b.7", 7}, {"acme", "b.7", "b.7", 0},
		{"acme", "b", "b.99999999", 99999999}, {"acme", "", "b.7", 7},
	} {
		if s.has(other.account, other.broadcast, other.id, other.row) {
			t.Errorf("%v counts as seen", other)
		}
	}
}

// A million rows must not cost more than bits.
func BenchmarkSeenMillionRows(b *testing.B) {
	b.ReportAllocs()
	ids := make([]string, 1_000_000)
	for n := range ids {
		ids[n] = "b." + strconv.Itoa(n)
	}
	now := time.Now()
	for b.Loop() {
		s := newSeen()
		for n, id := range ids {
			s.add(now, "acme", "b", id, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"b.1","account":"acme","channel":"wa","broadcast":"b","row":1,"valid_until":1800000000000}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		it, err := decode(stream.Record{Value: value})
		if err == nil && (it.key == "/" || it.V != 1 || it.Row < 0) {
			t.Errorf("took %q", value)
		}
		_, _ = parseMark(stream.Record{Value: value})
	})
}
