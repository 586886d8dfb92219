package app

import (
	"context"
	"crypto/rand"
	"time"

	"optgate/pipeline/access"
)

// forgetAudit asks a shard to forget entries of audits whose time is over; found says that there were some.
func (a *App) forgetAudit(ctx context.Context, s int) (found bool, err error) {
	now := time.Now()
	keys, err := a.store.OldAudit(ctx, s, now.Add(-access.AuditKept))
	if err != nil || len(keys) == 0 {
		return false, err
	}
	command, err := access.NewForget(rand.Text(), now.UnixMilli(), keys)
	if err != nil {
		return false, err
	}
	record, err := command.Record(s)
	if err != nil {
		return false, err
	}
	return true, a.bus.Publish(ctx, record)
}
