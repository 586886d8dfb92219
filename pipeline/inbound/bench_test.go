package inbound_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/meta"
	"optgate/pipeline/stream"
)

// day is what a gateway sees on an ordinary day: messages and receipts in equal parts, now and then a button or a STOP, of
// many people with a phone and a BSUID each. It gives n records as ingress keeps them.
func (d *desk) day(n, people int) []stream.Record {
	d.t.Helper()
	mix := []struct {
		name  string
		every int // of a hundred
	}{{"bsuid_and_phone", 45}, {"status_biz_opaque", 47}, {"button_unsubscribe", 2}, {"text_stop_inside_sentence", 5}, {"standby_message_stop", 1}}
	var bodies []string
	for _, m := range mix {
		var compact bytes.Buffer
		if err := json.Compact(&compact, d.body(m.name)); err != nil {
			d.t.Fatal(err)
		}
		for range m.every {
			bodies = append(bodies, compact.String())
		}
	}
	records := make([]stream.Record, n)
	for i := range records {
		person := i * 7919 % people
		body := strings.NewReplacer(
			"447700900101", fmt.Sprintf("4477009%05d", person), "GB.90210000000000000101", fmt.Sprintf("GB.902100000000%08d", person),
			"wamid.", fmt.Sprintf("wamid.%08d", i), "camp=7;rcpt=000123", "acme/spring/"+fmt.Sprint(i)+"/m",
			`"text":{"body":"hello"}`, `"text":{"body":"hello, is the order of yesterday on its way?"}`,
		).Replace(bodies[i*37%len(bodies)])
		records[i] = d.record([]byte(body))
	}
	return records
}

// discard publishes nothing and counts nothing, so that a benchmark sees the handler alone.
type discard struct{ *desk }

func (discard) Publish(context.Context, ...*stream.Record) error { return nil }

func newQuietDesk(t testing.TB) *desk {
	d := newDesk(t)
	d.h.Publisher, d.h.Logger, d.h.Metrics = discard{d}, zerolog.Nop(), silent{}
	return d
}

// BenchmarkHandle handles an ordinary day, an item at a time and in batches; an operation is one item.
func BenchmarkHandle(b *testing.B) {
	for _, size := range []int{1, 500} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			d := newQuietDesk(b)
			records := d.day(10_000, 2_000)
			b.ReportAllocs()
			for at := 0; b.Loop(); at = (at + 1) % (len(records) / size) {
				// b.Loop counts batches: the figures of an item are reported beside.
				if err := d.h.Handle(b.Context(), records[at*size:(at+1)*size]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/item")
		})
	}
}

func BenchmarkDecodeDay(b *testing.B) {
	d := newQuietDesk(b)
	records := d.day(10_000, 2_000)
	b.ReportAllocs()
	for at := 0; b.Loop(); at = (at + 1) % len(records) {
		if _, err := meta.Decode(records[at].Value); err != nil {
			b.Fatal(err)
		}
	}
}

type silent struct{}

func (silent) Item(string, time.Duration) {}
func (silent) Dead(string)                {}
func (silent) DeadMessage()               {}
