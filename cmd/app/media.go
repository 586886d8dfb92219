package app

import (
	"context"
	"crypto/rand"
	"time"

	"optgate/pipeline/media"
	"optgate/pipeline/shard"
)

// mediaEvery is how often a shard's libraries are looked at.
const mediaEvery = 5 * time.Second

// tendMedia sweeps the chunks of files that never came to their end, and has Meta delete what it still has of files that are
// gone. It only asks: the fold looks again.
func (a *App) tendMedia(ctx context.Context, s int) error {
	remover := media.Remover{Graph: a.graph}
	for pause(ctx, mediaEvery) {
		now := time.Now()
		loose, err := a.store.Loose(ctx, s, now.Add(-media.Abandoned))
		if err != nil {
			continue // the shard is not certain: at the next look
		}
		for _, blob := range loose.Abandoned {
			c, err := media.NewDrop(rand.Text(), blob.Account, blob.Name, now)
			if err != nil {
				return err
			}
			a.tendBy(ctx, s, c)
		}
		for _, gone := range loose.Copies {
			removed := remover.Remove(ctx, gone, now)
			if len(removed) == 0 {
				continue
			}
			c, err := media.NewRemoved(rand.Text(), gone, removed, now)
			if err != nil {
				return err
			}
			a.tendBy(ctx, s, c)
		}
	}
	return nil
}

// tendBy publishes a command; one that is lost is made again at the next look.
func (a *App) tendBy(ctx context.Context, s int, c shard.Command) {
	record, err := c.Record(s)
	if err == nil {
		err = a.bus.Publish(ctx, record)
	}
	if err != nil {
		a.log.Debug().Err(err).Msg("a library is tended later")
	}
}
