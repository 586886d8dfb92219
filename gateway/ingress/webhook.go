package ingress

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
	"optgate/gateway/meta"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// mostPooled is the largest body whose memory is kept for others. Larger ones are rare, and would be kept for small ones for as
// long as those come.
const mostPooled = 256 << 10

// errBusy says that too many bytes of webhooks are in hand.
var errBusy = errors.New("too many bytes of webhooks are in hand")

// webhook keeps one POST of Meta's. 200 is said only after every item in it is acknowledged; anything else makes Meta
// send the whole body again, for 7 days.
func (i *Ingress) webhook(ctx context.Context, rc *fasthttp.RequestCtx, app string) {
	if r := i.refusal(&rc.Request.Header, app); r != "" {
		i.tell(rc, r)
		return
	}
	pooled, _ := i.bodies.Get().(*[]byte)
	if pooled == nil {
		pooled = new([]byte)
	}
	held := int64(0)
	defer func() { i.inFlight.Add(-held) }()
	body, err := httpd.ReadBodyWithin(rc, i.MaxBody, (*pooled)[:0], func(bytes int) error {
		held += int64(bytes)
		if i.inFlight.Add(int64(bytes)) > int64(i.InFlight) {
			return errBusy
		}
		return nil
	})
	r := broken
	switch {
	case errors.Is(err, errBusy), err != nil && fault.KindOf(err) == fault.Unavailable:
		r = busy
	case err != nil && fault.KindOf(err) == fault.TooLarge:
		r = tooLarge
	case err != nil:
	default:
		if signer, ok := i.signer(app, rc.Request.Header.Peek(signature), body); !ok {
			r = forged
		} else {
			r = i.keep(ctx, signer, body)
		}
	}
	// Records share the body's memory. Where it is not known what became of them, somebody may still be writing them.
	if r != unavailable && cap(body) <= mostPooled {
		*pooled = body
		i.bodies.Put(pooled)
	}
	i.tell(rc, r)
}

// signer gives the app that signed a body: the one that the path names, or any where it names none.
func (i *Ingress) signer(app string, given, body []byte) (id string, ok bool) {
	for _, a := range i.Apps {
		if (app == "" || app == a.ID) && meta.Verify(a.Secrets, given, body) {
			return a.ID, true
		}
	}
	return "", false
}

// keep publishes what a rightly signed body tells.
func (i *Ingress) keep(ctx context.Context, app string, body []byte) result {
	if len(body) == 0 {
		return empty
	}
	done, records, reason := kept, []*stream.Record(nil), ""
	items, err := meta.Split(body)
	if err != nil {
		done, reason = dead, reasonOf(err)
		records = []*stream.Record{i.letter(app, body, reason)}
	}
	for _, item := range items {
		records = append(records, i.record(app, item))
	}
	ctx, cancel := context.WithTimeout(ctx, i.Keep)
	defer cancel()
	if err := i.Publisher.Publish(ctx, records...); err != nil {
		i.failures.Warn().Err(err).Int("items", len(records)).Int("bytes", len(body)).Msg("webhook was not kept")
		return unavailable
	}
	if done == dead {
		i.Metrics.Dead(reason)
		i.failures.Warn().Str("reason", reason).Int("bytes", len(body)).Msg("webhook is no envelope, kept in dead")
	}
	return done
}

// record is one item as inbound holds it. The key only spreads the load: an item that shows nobody goes anywhere.
func (i *Ingress) record(app string, item meta.Item) *stream.Record {
	key := item.Key
	if len(key) == 0 {
		key = strconv.AppendUint(nil, rand.Uint64(), 36) //nolint:gosec // spreads load, guards nothing
	}
	return &stream.Record{
		Topic: stream.Inbound, Partition: stream.AnyPartition, Key: key, Value: item.Value,
		Headers: []stream.Header{
			{Key: "v", Value: strconv.Itoa(stream.Version)}, {Key: "app", Value: app}, {Key: "received_at", Value: i.now()},
		},
	}
}

// letter is a body that can't be cut into items, as dead holds it: the bytes as they came.
func (i *Ingress) letter(app string, body []byte, reason string) *stream.Record {
	return &stream.Record{
		Topic: stream.Dead, Partition: stream.AnyPartition, Key: []byte("ingress"), Value: body,
		Headers: []stream.Header{
			{Key: "v", Value: strconv.Itoa(stream.Version)}, {Key: "source", Value: "ingress"}, {Key: "app", Value: app},
			{Key: "reason", Value: reason}, {Key: "received_at", Value: i.now()},
		},
	}
}

// now gives the milliseconds since 1970.
func (i *Ingress) now() string { return strconv.FormatInt(i.Now().UnixMilli(), 10) }

// reasonOf gives a short, stable word for why a body holds no items.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, meta.ErrNotJSON):
		return "not_json"
	case errors.Is(err, meta.ErrNotEnvelope):
		return "not_envelope"
	case errors.Is(err, meta.ErrEmpty):
		return "empty_envelope"
	case errors.Is(err, meta.ErrTooMany):
		return "too_many_items"
	}
	return "unreadable"
}
