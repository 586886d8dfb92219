package app

import (
	"context"
	"sync/atomic"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

const (
	watchEvery  = time.Second
	tooOld      = 30 * time.Second // of the oldest item without effect: bulk waits, since a STOP may lie there
	verifyEvery = time.Hour
)

// watch is what is looked at every second: how far the pipeline is behind what ingress has kept.
type watch struct {
	oldest atomic.Int64 // ms since 1970 of the oldest unhandled item; 0: none
	asked  atomic.Int64 // ms since 1970 of the last answer of Kafka's
}

// behind says that items lie unread for so long that nothing may be sent in bulk. No answer counts as old.
func (w *watch) behind() bool {
	now := time.Now()
	oldest := w.oldest.Load()
	return now.Sub(time.UnixMilli(w.asked.Load())) > tooOld/3 || oldest > 0 && now.Sub(time.UnixMilli(oldest)) > tooOld
}

// kafka gives nil where Kafka has answered lately.
func (w *watch) kafka() error {
	if time.Since(time.UnixMilli(w.asked.Load())) > 5*watchEvery {
		return fault.New(fault.Unavailable, "kafka_away", "Kafka does not answer.")
	}
	return nil
}

// watchOver starts the watch, and the hourly look at what Kafka holds.
func (a *App) watchOver() {
	a.crew.work("watch", func(ctx context.Context) error {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			a.look(ctx)
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	a.crew.work("verification", func(ctx context.Context) error {
		tick := time.NewTicker(verifyEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				a.verify(ctx)
			}
		}
	})
}

// look asks Kafka how old the oldest unhandled item is, and Redis which shards are certain.
func (a *App) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*watchEvery)
	defer cancel()
	at, _, err := a.bus.Oldest(ctx, groupInbound, stream.Inbound)
	switch {
	case err != nil:
		a.log.Debug().Err(err).Msg("oldest unhandled item is not known")
	case at.IsZero():
		a.watch.oldest.Store(0)
	default:
		a.watch.oldest.Store(at.UnixMilli())
	}
	if err == nil {
		a.watch.asked.Store(time.Now().UnixMilli())
	}
	age, stalled := time.Duration(0), 0
	if oldest := a.watch.oldest.Load(); oldest > 0 {
		age = time.Since(time.UnixMilli(oldest))
	}
	if age > tooOld {
		stalled = 1
	}
	a.metrics.Oldest(age)
	a.metrics.Stalled(stalled)
	owned := a.owners.keys()
	ready := 0
	for _, certain := range a.store.Certain(ctx, owned) {
		if certain {
			ready++
		}
	}
	a.metrics.Shards(len(owned), ready)
}

// verify looks whether Kafka still holds this installation as it must. If not, owners and lanes end, so that leases run out and
// nothing is sent; a human decides.
func (a *App) verify(ctx context.Context) {
	if err := a.bus.Verify(ctx); err != nil && ctx.Err() == nil {
		a.fail(err)
		a.log.Error().Err(err).Msg("Kafka does not hold what it must: nothing is decided or sent until a restart")
		if a.owners != nil {
			a.owners.stop()
		}
	}
}
