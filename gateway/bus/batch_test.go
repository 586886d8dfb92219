package bus

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"github.com/segmentio/kafka-go/protocol"

	"optgate/pipeline/stream"
)

// decoded reads a batch as kafka-go does what a broker sends.
func decoded(t testing.TB, encoded []byte, from int64) page {
	t.Helper()
	var set protocol.RecordSet
	if _, err := set.ReadFrom(bytes.NewReader(encoded)); err != nil {
		t.Fatal(err)
	}
	p, err := decode(place{stream.Events, 3}, set, from)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func FuzzBatchesComeBackAsTheyWent(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), "header", "text", 3, int64(7), int16(1), int32(9))
	f.Add([]byte(nil), []byte(nil), "", "", 1, int64(-1), int16(-1), int32(-1))
	f.Add([]byte{}, bytes.Repeat([]byte("x"), 7_000), "\x00", "\xff", 30, int64(math.MaxInt64), int16(math.MaxInt16), int32(math.MaxInt32))
	f.Fuzz(func(t *testing.T, key, value []byte, name, text string, count int, id int64, epoch int16, sequence int32) {
		count = 1 + (count%40+40)%40
		want := make([]stream.Record, count)
		records := make([]*stream.Record, count)
		for i := range want {
			want[i] = stream.Record{Topic: stream.Events, Partition: 3, Offset: int64(i), Key: key, Value: value}
			switch i % 3 {
			case 1:
				want[i].Key, want[i].Headers = nil, []stream.Header{{Key: name, Value: text}, {Key: text}}
			case 2:
				want[i].Value = nil
			}
			records[i] = &want[i]
		}
		p := decoded(t, batch(session{id, epoch}, sequence, 1_700_000_000_000, records), 0)
		for i := range p.records {
			if p.records[i].Time.UnixMilli() != 1_700_000_000_000 {
				t.Fatalf("time %v", p.records[i].Time)
			}
			p.records[i].Time = want[i].Time
		}
		if !reflect.DeepEqual(want, p.records) {
			t.Fatalf("%d records came back as %d others", len(want), len(p.records))
		}
		if p.next != int64(count) || p.base != 0 {
			t.Fatalf("next %d, base %d", p.next, p.base)
		}
	})
}

func TestAFetchTellsHowFarItWent(t *testing.T) {
	full := batch(session{}, 0, 1, []*stream.Record{{}, {}, {}})
	if p := decoded(t, full, 2); len(p.records) != 1 || p.next != 3 {
		t.Errorf("from inside a batch: %d records, next %d", len(p.records), p.next)
	}
	if p := decoded(t, full, 5); len(p.records) != 0 || p.next != 5 || p.base != 0 {
		t.Errorf("from the end of a batch that was compacted away: %d records, next %d, base %d", len(p.records), p.next, p.base)
	}
	if p, err := decode(place{}, protocol.RecordSet{}, 9); err != nil || p.next != 9 || p.base != -1 {
		t.Errorf("nothing: next %d, base %d (%v)", p.next, p.base, err)
	}
}

func TestSequencesWrapAsBrokersExpect(t *testing.T) {
	for _, c := range []struct {
		sequence int32
		n        int
		want     int32
	}{{0, 3, 3}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {math.MaxInt32 - 1, 5, 3}} {
		if got := after(c.sequence, c.n); got != c.want {
			t.Errorf("%d records after %d: %d, not %d", c.n, c.sequence, got, c.want)
		}
	}
}

func TestEveryTopicHasItsSettings(t *testing.T) {
	all := []stream.Topic{stream.Inbound, stream.Commands, stream.State, stream.Consent, stream.OutboundReplies, stream.OutboundBulk,
		stream.IntentsReplies, stream.IntentsBulk, stream.Outcomes, stream.Events, stream.Dead, stream.Media}
	topics := table(8)
	for _, topic := range all {
		if s := topics[topic]; s.partitions < 1 || s.maxBytes < maxBatch || s.retention == 0 {
			t.Errorf("%s: %+v", topic, s)
		}
	}
	if len(topics) != len(all) {
		t.Errorf("%d topics of %d", len(topics), len(all))
	}
	entries := topics[stream.State].entries(false)
	want := map[string]string{"cleanup.policy": "compact", "retention.ms": "-1", "delete.retention.ms": "1209600000", "min.insync.replicas": "2"}
	for key, value := range want {
		if entries[key] != value {
			t.Errorf("state: %s=%s, not %s", key, entries[key], value)
		}
	}
	if topics[stream.Consent].entries(true)["retention.ms"] != "-1" {
		t.Error("the ledger is not kept for ever")
	}
}
