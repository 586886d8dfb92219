package app

import (
	"context"
	"crypto/rand"
	"time"

	"optgate/pipeline/imports"
)

// importsEvery is how often a shard's imports are looked at.
const importsEvery = 15 * time.Second

// tendImports breaks off a shard's imports of which nothing is heard any more, and forgets those that ended long ago. It only
// asks: the fold looks again.
func (a *App) tendImports(ctx context.Context, s int) error {
	for pause(ctx, importsEvery) {
		now := time.Now()
		due, err := a.store.DueImports(ctx, s, now.Add(-imports.Silence), now.Add(-imports.Kept))
		if err != nil {
			continue // the shard is not certain: at the next look
		}
		for _, i := range due {
			record, err := i.Due(a.shards, rand.Text(), now)
			if err != nil {
				return err
			}
			if record == nil {
				continue
			}
			if err := a.bus.Publish(ctx, record); err != nil {
				break
			}
		}
	}
	return nil
}
