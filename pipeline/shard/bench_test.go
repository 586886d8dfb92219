package shard_test

import (
	"context"
	"fmt"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// stop makes the nth STOP as inbound writes it, one in ten with a link, for the only shard of a world.
func stop(t testing.TB, n int) *stream.Record {
	t.Helper()
	key := chat.Key("0123456789abcdef")
	id := chat.Identifier(fmt.Sprintf("phone:49%09d", n))
	change := optout.Change{
		Who: []optout.Ref{{ID: id, P: key.Pseudonym(id)}}, Out: true,
		Marks:   []optout.Mark{{List: "default", Channel: "wa", At: 1_794_300_000_000, Source: optout.SourceMessage, Rule: "stop", Message: "3f8a90c1d2e4b5a6"}},
		Confirm: &optout.Confirm{Channel: "wa", Given: id.Value(), Texts: []optout.Text{{List: "default", Body: "You will not get any more messages from us."}}},
	}
	if n%10 == 0 {
		other := chat.Identifier(fmt.Sprintf("bsuid:DE.%d", n))
		change.Who, change.Linked = append(change.Who, optout.Ref{ID: other, P: key.Pseudonym(other)}), true
	}
	records, err := change.Records(1, fmt.Sprintf("wamid-%d", n), "acme", 1_794_300_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return records[0]
}

// BenchmarkOwner decides STOPs from the first byte read to the last written, over logs and a view in memory: what it costs
// is ours, not Kafka's or Redis's.
func BenchmarkOwner(b *testing.B) {
	w := newWorld(b)
	for n := range b.N {
		w.put(stop(b, n))
	}
	o := w.owner(optout.Rules())
	ctx, cancel := context.WithCancel(b.Context())
	o.Decided = func([]*stream.Record) {
		if w.cursor(b).Command >= int64(b.N) {
			cancel()
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := o.Run(ctx); err != nil {
		b.Error(err)
	}
	if n := w.cursor(b).Command; n < int64(b.N) {
		b.Fatalf("%d of %d decided", n, b.N)
	}
}

// BenchmarkChain chains a row of today's size, which each change of consent costs its owner besides.
func BenchmarkChain(b *testing.B) {
	r := &stream.Record{Key: []byte("4223965698433594100"), Value: make([]byte, 350), Headers: []stream.Header{{Key: "v", Value: "1"}, {Key: shard.HeaderCause, Value: "123456.0"}}}
	chain, text := shard.NewChain("here", 0), ""
	b.ReportAllocs()
	for b.Loop() {
		chain = chain.After(r)
		text = chain.String()
	}
	_ = text
}
