package app

import (
	"context"
	"sync/atomic"
	"time"

	"optgate/configs"
	"optgate/pipeline/stream"
)

// measured publishes for a role and measures how long Kafka takes to acknowledge.
type measured struct {
	stream.Publisher

	a    *App
	by   string
	kept *atomic.Int64 // ms since 1970 of the last acknowledgement; nil: nobody asks
}

// Publish publishes.
func (m measured) Publish(ctx context.Context, records ...*stream.Record) error {
	began := time.Now()
	err := m.Publisher.Publish(ctx, records...)
	ended := time.Now()
	m.a.metrics.Published(m.by, ended.Sub(began), err)
	if err == nil && m.kept != nil {
		m.kept.Store(ended.UnixMilli())
	}
	return err
}

// webhooks publishes what ingress takes in, and tells the watch: what was kept is to be handled.
func (a *App) webhooks() stream.Publisher {
	return measured{soundly{a}, a, configs.RoleIngress, &a.watch.progress.kept}
}
