package ingress

import (
	"context"
	"strconv"
	"time"
)

// This file tells the time once for all webhooks that come together: a context with a deadline costs 4 allocations and a
// timer, a number written out one more, which is more than all else that a webhook needs (BenchmarkWebhook).

// deadline is a context that many webhooks wait with.
type deadline struct {
	parent, ctx context.Context //nolint:containedctx // it is what is shared
	end         context.CancelFunc
	until       time.Time // for those who come before
}

// within gives a context that ends when Kafka has had its time: Keep, or up to a fiftieth less.
func (i *Ingress) within(parent context.Context) context.Context {
	now := time.Now()
	if d := i.deadline.Load(); d != nil && d.parent == parent && now.Before(d.until) {
		return d.ctx
	}
	d := &deadline{parent: parent, until: now.Add(i.Keep / 50)}
	d.ctx, d.end = context.WithTimeout(parent, i.Keep) //nolint:gosec // it ends by itself, when nobody needs it any more
	i.deadline.Store(d)
	return d.ctx
}

// stamp is a time and how it is written.
type stamp struct {
	millis int64
	text   string
}

// now gives the milliseconds since 1970.
func (i *Ingress) now() string {
	millis := i.Now().UnixMilli()
	s := i.stamp.Load()
	if s == nil || s.millis != millis {
		s = &stamp{millis, strconv.FormatInt(millis, 10)}
		i.stamp.Store(s)
	}
	return s.text
}
