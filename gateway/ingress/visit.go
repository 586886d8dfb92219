package ingress

import (
	"math/rand/v2"
	"strconv"

	"optgate/gateway/meta"
	"optgate/pipeline/stream"
)

// The largest memory that is kept for others. More is rare, and would be kept for small bodies for as long as those come.
const (
	mostPooled = 256 << 10 // bytes of a body
	mostItems  = 256
)

// visit is the memory that one webhook needs until it is answered. It is used again: whoever publishes holds on to nothing of
// it. That saves every allocation of the usual webhook (BenchmarkWebhook).
type visit struct {
	body      []byte
	announced int   // bytes of the body, as the header says; below 0: it does not
	held      int64 // bytes of the body so far
	room      func(bytes int) error
	items     []meta.Item
	headers   []stream.Header // of every record
	records   []stream.Record
	published []*stream.Record
	keys      []byte // made up for items that show nobody
}

// visit gives the memory for a webhook.
func (i *Ingress) visit() *visit {
	if v, _ := i.visits.Get().(*visit); v != nil {
		return v
	}
	v := &visit{}
	v.room = func(bytes int) error { return i.room(v, bytes) }
	return v
}

// room takes memory for bytes that have arrived. Before any has, it looks whether there is some for what is announced: what
// can't be kept need not be read. A quarter is left to small webhooks, unless the largest would then never be kept.
func (i *Ingress) room(v *visit, bytes int) error {
	v.held += int64(bytes)
	most, all := int64(i.InFlight), i.inFlight.Add(int64(bytes))
	coming := v.held
	if v.held == 0 {
		coming = int64(max(v.announced, 0))
		all += coming
	}
	if coming > large {
		most = max(most-most/4, min(most, int64(i.MaxBody)))
	}
	if all > most {
		return errBusy
	}
	return nil
}

// leave takes the memory back.
func (i *Ingress) leave(v *visit) {
	i.inFlight.Add(-v.held)
	if cap(v.body) > mostPooled || cap(v.items) > mostItems {
		return
	}
	clear(v.items)
	clear(v.records)
	v.body, v.held, v.items, v.records = v.body[:0], 0, v.items[:0], v.records[:0]
	i.visits.Put(v)
}

// write makes the items' records, as inbound holds them. Its order is promised to nobody, so that what comes together goes
// together. The key is for whoever reads the topic; an item that shows nobody has one of its own.
func (v *visit) write(app, now string) {
	v.headers = append(v.headers[:0],
		stream.Header{Key: "v", Value: version}, stream.Header{Key: "app", Value: app}, stream.Header{Key: "received_at", Value: now})
	v.keys = v.keys[:0]
	for _, item := range v.items {
		if len(item.Key) == 0 {
			from := len(v.keys)
			v.keys = strconv.AppendUint(v.keys, rand.Uint64(), 36) //nolint:gosec // spreads load, guards nothing
			item.Key = v.keys[from:]
		}
		v.records = append(v.records, stream.Record{
			Topic: stream.Inbound, Partition: stream.Anywhere, Key: item.Key, Value: item.Value, Headers: v.headers,
		})
	}
	v.publish()
}

// letter adds the record of a body that can't be cut into items, as dead holds it: the bytes as they came.
func (v *visit) letter(app, now, reason string) {
	headers := []stream.Header{
		{Key: "v", Value: version}, {Key: "source", Value: "ingress"}, {Key: "app", Value: app},
		{Key: "reason", Value: reason}, {Key: "received_at", Value: now},
	}
	v.records = append(v.records, stream.Record{
		Topic: stream.Dead, Partition: stream.AnyPartition, Key: []byte("ingress"), Value: v.body, Headers: headers,
	})
	v.publish()
}

// publish lists the records as they are published.
func (v *visit) publish() {
	v.published = v.published[:0]
	for i := range v.records {
		v.published = append(v.published, &v.records[i])
	}
}
