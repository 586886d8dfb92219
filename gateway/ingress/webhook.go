package ingress

import (
	"context"
	"errors"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
	"optgate/gateway/meta"
	"optgate/pipeline/fault"
)

// errBusy says that too many bytes of webhooks are in hand.
var errBusy = errors.New("too many bytes of webhooks are in hand")

// webhook keeps one POST of Meta's. 200 is said only after every item in it is acknowledged; anything else makes Meta
// send the whole body again, for 7 days.
func (i *Ingress) webhook(ctx context.Context, rc *fasthttp.RequestCtx, name []byte) {
	if r := i.refusal(&rc.Request.Header, name); r != "" {
		i.tell(rc, r)
		return
	}
	v := i.visit()
	defer i.leave(v)
	v.announced = rc.Request.Header.ContentLength()
	var err error
	v.body, err = httpd.ReadBody(rc, i.MaxBody, v.body, v.room)
	r := broken
	switch {
	case errors.Is(err, errBusy), err != nil && fault.KindOf(err) == fault.Unavailable:
		r = busy
	case err != nil && fault.KindOf(err) == fault.TooLarge:
		r = tooLarge
	case err != nil:
	default:
		if signer := i.signer(name, rc.Request.Header.Peek(signature), v.body); signer == nil {
			r = forged
		} else {
			r = i.keep(ctx, signer, v)
		}
	}
	i.tell(rc, r)
}

// signer gives the app that signed a body: the one that the path names, or any where it names none. nil: nobody did.
func (i *Ingress) signer(name, given, body []byte) *app {
	for _, a := range i.signers {
		if (len(name) == 0 || string(name) == a.ID) && a.verifier.Verify(given, body) {
			return a
		}
	}
	return nil
}

// keep publishes what a rightly signed body tells.
func (i *Ingress) keep(ctx context.Context, from *app, v *visit) result {
	if len(v.body) == 0 {
		return empty
	}
	done, reason := kept, ""
	var err error
	if v.items, err = meta.AppendItems(v.items[:0], v.body); err == nil {
		v.write(from.ID, i.now())
	} else {
		done, reason = dead, reasonOf(err)
		v.items = whatIsSeen(v.items[:0], v.body, err)
		v.write(from.ID, i.now())
		v.letter(from.ID, i.now(), reason)
	}
	if err := i.publish(i.within(ctx), v); err != nil {
		i.failures.Warn().Err(err).Int("items", len(v.published)).Int("bytes", len(v.body)).Msg("webhook was not kept")
		return unavailable
	}
	if done == dead {
		i.Metrics.Dead(reason)
		i.failures.Warn().Str("reason", reason).Int("bytes", len(v.body)).Msg("webhook is no envelope, kept in dead")
	}
	return done
}

// whatIsSeen gives the items of a body that can't be cut, as far as they can be seen all the same: there may be a STOP among
// them. The body as it came goes to dead beside them.
func whatIsSeen(items []meta.Item, body []byte, why error) []meta.Item {
	if errors.Is(why, meta.ErrNotJSON) {
		if items, err := meta.AppendMended(items, body); err == nil {
			return items
		}
	}
	if _, ok := meta.Salvage(body); ok {
		return append(items, meta.Item{Value: body})
	}
	return items
}

// publish waits for Kafka; a large webhook waits for its turn before.
func (i *Ingress) publish(ctx context.Context, v *visit) error {
	if bytes := len(v.body); bytes > large {
		if err := i.turns.take(ctx, bytes); err != nil {
			return fault.Wrap(err, fault.Unavailable, "kafka_slow", "Kafka is slower than what comes in; try again.")
		}
		defer i.turns.give(bytes)
	}
	return i.Publisher.Publish(ctx, v.published...)
}

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
