package app

import (
	"context"
	"time"

	"optgate/pipeline/broadcast"
)

const (
	audiencesEvery = time.Minute // how often a shard's audiences are looked at
	staleAfter     = time.Hour   // an upload of which nothing more comes, and a use whose broadcast never came to be
)

// tendAudiences forgets a shard's audiences that are of no use any more, and lets those go that are used by broadcasts which are not
// there. It only asks: the fold looks again.
func (a *App) tendAudiences(ctx context.Context, s int) error {
	for pause(ctx, audiencesEvery) {
		now := time.Now()
		due, err := a.store.DueAudiences(ctx, s, now.Add(-staleAfter), now.Add(-broadcast.AudienceKept))
		if err != nil {
			continue // the shard is not certain: at the next look
		}
		for _, one := range due {
			if err := a.tendAudience(ctx, one, now); err != nil {
				break
			}
		}
	}
	return nil
}

func (a *App) tendAudience(ctx context.Context, one broadcast.Audience, now time.Time) error {
	records, err := one.Forget(a.shards, now)
	if err != nil {
		return err
	}
	for id, since := range one.Uses {
		if now.UnixMilli()-since < staleAfter.Milliseconds() {
			continue
		}
		user, err := a.store.Broadcast(ctx, broadcast.Ref{Account: one.Account, ID: id})
		if err != nil {
			return err
		}
		if user != nil && user.Source.Upload == one.ID {
			continue
		}
		record, err := broadcast.AudienceRelease(a.shards, one.Ref(), id, now.UnixMilli())
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	if len(records) == 0 {
		return nil
	}
	return a.bus.Publish(ctx, records...)
}
