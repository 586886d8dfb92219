package app

import (
	"context"
	"crypto/rand"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// When what is left of a deleted list is looked for: soon, since it still holds people back, then ever more rarely, since
// commands that were on their way when it was deleted may bring somebody late.
const (
	lookForGone  = 5 * time.Second
	emptyAgain   = 5 * time.Second
	emptyLastly  = time.Hour
	longestEmpty = 15 * time.Minute // of one look
)

// goneList is a deleted list, and when it is looked at next.
type goneList struct {
	wait time.Duration
	next time.Time
}

// emptyGone takes everybody in a shard off lists that were deleted, for as long as ctx lives. It only makes commands: two who do
// it at once do no harm, and whoever comes after a crash looks at all of them again.
func (a *App) emptyGone(ctx context.Context, s int) error {
	seen := map[[2]string]*goneList{}
	for pause(ctx, lookForGone) {
		for _, id := range a.directory.Accounts() {
			known, err := a.store.Lexicon(ctx, id)
			if err != nil {
				continue // nobody can know now
			}
			for _, list := range known.Account.Gone {
				key := [2]string{id, list}
				if seen[key] == nil {
					seen[key] = &goneList{wait: emptyAgain}
				}
				g := seen[key]
				if time.Now().Before(g.next) {
					continue
				}
				if err := a.empty(ctx, s, known.Account, list); err != nil {
					a.log.Warn().Err(err).Int("shard", s).Str("account", id).Str("list", list).Msg("deleted list can't be emptied yet")
					continue
				}
				g.next = time.Now().Add(g.wait)
				g.wait = min(2*g.wait, emptyLastly)
			}
		}
	}
	return nil
}

// empty makes commands for everybody who is left, one after another: each is decided before the next is made, so that the
// shard has time for people's words between them and stays certain.
func (a *App) empty(ctx context.Context, s int, account optout.Account, list string) error {
	ctx, cancel := context.WithTimeout(ctx, longestEmpty)
	defer cancel()
	return a.store.Left(ctx, s, account, list, func(some []chat.Pseudonym) error {
		id := rand.Text()
		records, err := optout.ListEmpty{List: list, Who: some}.Records(a.shards, func() string { return id }, account.ID, time.Now().UnixMilli())
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := a.bus.Publish(ctx, r); err != nil {
				return err
			}
			for decided := false; !decided; {
				if _, decided, err = a.store.Answer(ctx, s, r.Offset, id); err != nil {
					return err
				}
				if !decided && !pause(ctx, awaitEvery) {
					return ctx.Err()
				}
			}
		}
		return nil
	})
}
