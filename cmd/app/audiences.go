package app

import (
	"context"
	"time"

	"optgate/pipeline/broadcast"
)

const (
	audiencesEvery = time.Minute     // how often a shard's audiences are looked at
	audiencesSoon  = 5 * time.Second // and while one is being forgotten
	staleAfter     = time.Hour       // an upload of which nothing more comes, and a use whose broadcast never came to be
)

// tendAudiences forgets a shard's audiences that are of no use any more, and lets those go that are used by broadcasts which are not
// there. It only asks: the fold looks again.
func (a *App) tendAudiences(ctx context.Context, s int) error {
	for wait := audiencesEvery; pause(ctx, wait); {
		now := time.Now()
		wait = audiencesEvery
		due, err := a.store.DueAudiences(ctx, s, now.Add(-staleAfter), now.Add(-broadcast.AudienceKept))
		if err != nil {
			continue // the shard is not certain: at the next look
		}
		for _, one := range due {
			asked, err := a.tendAudience(ctx, one, now)
			if err != nil {
				break
			}
			if asked {
				wait = audiencesSoon
			}
		}
	}
	return nil
}

// tendAudience asks for what is due of one; asked says that something is.
func (a *App) tendAudience(ctx context.Context, one broadcast.Audience, now time.Time) (asked bool, err error) {
	records, err := one.Forget(a.shards, now)
	if err != nil {
		return false, err
	}
	for id, since := range one.Uses {
		if now.UnixMilli()-since < staleAfter.Milliseconds() {
			continue
		}
		user, err := a.store.Broadcast(ctx, broadcast.Ref{Account: one.Account, ID: id})
		if err != nil {
			return false, err
		}
		if user != nil && user.Source.Upload == one.ID {
			continue
		}
		record, err := broadcast.AudienceRelease(a.shards, one.Ref(), id, now.UnixMilli())
		if err != nil {
			return false, err
		}
		records = append(records, record)
	}
	if len(records) == 0 {
		return false, nil
	}
	return true, a.bus.Publish(ctx, records...)
}
