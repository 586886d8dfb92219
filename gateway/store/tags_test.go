package store

import (
	"testing"

	"optgate/pipeline/chat"
)

func TestShardsSpreadEvenlyOverTheSlots(t *testing.T) {
	if got := crc16("123456789"); got != 0x31c3 {
		t.Fatalf("crc16 is %#x, not that of the standard", got)
	}
	for _, n := range []chat.Shards{1, 2, 8, 64, 256} {
		seen := map[int]bool{}
		for _, tag := range tags(n) {
			seen[int(crc16(tag))%slots*int(n)/slots] = true
		}
		if len(seen) != int(n) {
			t.Errorf("%d shards lie in %d parts of the slots", n, len(seen))
		}
	}
}
