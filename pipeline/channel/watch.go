package channel

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

const (
	lookEvery   = 10 * time.Second // over the shard's channels
	askEvery    = 15 * time.Minute // Graph about each
	askAgain    = time.Minute      // after a failure, doubled with each further one, and while the token is refused
	afterNotice = 30 * time.Second // a webhook has told of the number: Graph may not know it at once
	askAtOnce   = 8
)

// Watcher asks Graph about the channels of one shard's accounts, and tells the shard where something is not as it was known.
// It runs beside the shard's owner, so that one process asks; two at once do no harm.
type Watcher struct {
	Shards     chat.Shards
	Shard      int
	Directory  *chat.Directory
	Conditions conditions
	Graph      graph
	Publisher  stream.Publisher
	Logger     zerolog.Logger

	asked map[[2]string]asked
}

type conditions interface {
	Condition(ctx context.Context, account, channel string) (Condition, error)
}

// graph tells what Meta says of a channel's number. That it refuses the token is something it says.
type graph interface {
	Number(ctx context.Context, account, channel string) (chat.Notice, error)
}

// asked is when Graph was asked about a channel, and how often it did not answer since.
type asked struct {
	at     time.Time
	silent int
}

// Run asks until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	w.asked = map[[2]string]asked{}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
	}
}

// look asks about every channel that it is time for.
func (w *Watcher) look(ctx context.Context) {
	var mu sync.Mutex
	var going sync.WaitGroup
	free := make(chan struct{}, askAtOnce)
	for _, account := range w.Directory.Accounts() {
		if w.Shards.Account(account) != w.Shard {
			continue
		}
		for _, c := range w.Directory.Of(account) {
			if c.Kind != chat.WhatsApp {
				continue
			}
			known, err := w.Conditions.Condition(ctx, c.Account, c.ID)
			mu.Lock()
			last := w.asked[[2]string{c.Account, c.ID}]
			mu.Unlock()
			if err != nil || !due(known, last, time.Now()) {
				continue
			}
			free <- struct{}{}
			going.Go(func() {
				defer func() { <-free }()
				began := time.Now()
				err := w.ask(ctx, c, known, began)
				mu.Lock()
				defer mu.Unlock()
				now := asked{at: began}
				if err != nil {
					now.silent = last.silent + 1
				}
				w.asked[[2]string{c.Account, c.ID}] = now
			})
		}
	}
	going.Wait()
}

// due says whether Graph is to be asked about a channel now.
func due(c Condition, last asked, now time.Time) bool {
	every := askEvery
	switch {
	case last.silent > 0:
		every = min(askEvery, askAgain<<min(last.silent-1, 10))
	case c.Facts[chat.SaysToken].Value == TokenRefused:
		every = askAgain
	}
	if last.at.IsZero() || now.Sub(last.at) >= every {
		return true
	}
	told := time.UnixMilli(c.UpgradeAt)
	if c.display() != "" {
		told = told.Add(afterNotice)
	}
	return c.UpgradeAt > 0 && last.at.Before(told) && !now.Before(told)
}

// ask asks about one channel and tells what is new.
func (w *Watcher) ask(ctx context.Context, c chat.Channel, known Condition, now time.Time) error {
	said, err := w.Graph.Number(ctx, c.Account, c.ID)
	if err != nil {
		w.Logger.Debug().Str("account", c.Account).Str("channel", c.ID).Err(err).Msg("graph can't be asked about a number")
		return err
	}
	notice := chat.Notice{Says: news(known, said.Says)}
	if known.Portfolio != c.Portfolio { // it was declared anew, or is
		notice.Says = said.Says
	}
	if len(notice.Says) == 0 {
		return nil
	}
	command, err := NewNotice(rand.Text(), now.UnixMilli(), now.UnixMilli(), ByGraph, notice, []chat.Channel{c})
	if err != nil {
		return err
	}
	record, err := command.Record(w.Shard)
	if err != nil {
		return err
	}
	if err := w.Publisher.Publish(ctx, record); err != nil {
		return err
	}
	w.Logger.Info().Str("account", c.Account).Str("channel", c.ID).Int("facts", len(notice.Says)).Msg("graph told something new of a number")
	return nil
}

// news gives what is not as it was known. That Graph answers shows that the app has access again.
func news(known Condition, says []chat.Said) (changed []chat.Said) {
	for _, said := range says {
		was := known.Facts[said.Subject]
		if said.Subject == chat.SaysToken && said.Value == TokenGood {
			if access := known.Facts[saysAccess].Value; access == "PARTNER_REMOVED" || access == "PARTNER_APP_UNINSTALLED" {
				changed = append(changed, chat.Said{Subject: chat.SaysAccount, Value: "PARTNER_ADDED"})
			}
			if was.Value == "" {
				continue
			}
		}
		if was.Value != said.Value {
			changed = append(changed, said)
		}
	}
	return changed
}
