package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"optgate/gateway/bus"
	"optgate/pipeline/fault"
	"optgate/pipeline/outbound"
	"optgate/pipeline/stream"
)

const (
	watchEvery  = time.Second
	lookWithin  = 5 * time.Second
	verifyEvery = time.Hour
	verifyAgain = 10 * time.Second // longer than what brokers say of topics is remembered
)

// watch is what is looked at every second: how far the pipeline is behind what ingress has kept.
type watch struct {
	hold     outbound.Hold
	held     string // why bulk waited at the last look
	progress progress
	answered atomic.Int64 // ms since 1970 of Kafka's last answer
}

// behind says that bulk must wait.
func (w *watch) behind() bool { return w.hold.Why(time.Now()) != "" }

// kafka gives nil where Kafka has answered lately.
func (w *watch) kafka() error {
	if time.Since(time.UnixMilli(w.answered.Load())) > lookWithin {
		return fault.New(fault.Unavailable, "kafka_away", "Kafka does not answer.")
	}
	return nil
}

// watchOver starts the watch, and the hourly look at what Kafka holds.
func (a *App) watchOver() {
	a.metrics.Installed(int(a.shards))
	// Each by itself: while one keeps silent, what is known of the other stays fresh.
	a.crew.work("watch of Kafka", func(ctx context.Context) error { return every(ctx, watchEvery, a.lookAtKafka) })
	a.crew.work("watch of Redis", func(ctx context.Context) error { return every(ctx, watchEvery, a.lookAtRedis) })
	a.crew.work("verification", func(ctx context.Context) error {
		if !pause(ctx, verifyEvery) { // the start has just looked
			return nil
		}
		return every(ctx, verifyEvery, a.verify)
	})
	for p := range a.bus.Partitions(stream.Dead) {
		a.crew.work("dead letters", func(ctx context.Context) error { return a.mourn(ctx, p) })
	}
}

// every does something now and again and again, until ctx ends.
func every(ctx context.Context, pause time.Duration, do func(ctx context.Context)) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// pause waits; false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// lookAtKafka asks how old the oldest unhandled item is, and tells how far the pipeline is behind.
func (a *App) lookAtKafka(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	began := time.Now()
	left, err := a.bus.Oldest(ctx, groupInbound, stream.Inbound)
	now := time.Now()
	a.metrics.Looked("kafka", now.Sub(began))
	if err != nil {
		a.log.Debug().Err(err).Msg("how far the pipeline is behind is not known")
	} else {
		a.watch.hold.Asked(now, left.At, left.Kept)
		a.watch.progress.Asked(now, left.At)
		a.watch.answered.Store(now.UnixMilli())
		a.metrics.Lag(left.Lag)
	}
	a.metrics.Oldest(a.watch.hold.Age(now))
	a.metrics.Stalled(a.watch.progress.Stalled(now))
	a.tellHold(a.watch.hold.Why(now))
	a.metrics.Kafka(a.watch.kafka() == nil, a.bus.Queued())
}

// tellHold says when bulk begins to wait, and when it goes on.
func (a *App) tellHold(why string) {
	a.metrics.Held(why != "")
	switch {
	case why == a.watch.held:
	case why != "":
		a.log.Warn().Str("reason", why).Msg("bulk is held")
	default:
		a.log.Info().Str("reason", a.watch.held).Msg("bulk goes on")
	}
	a.watch.held = why
}

// lookAtRedis asks which shards are certain. A Redis that was wiped is told again whose views it holds, else an empty Kafka
// beside it would be taken for a new installation one day.
func (a *App) lookAtRedis(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	owned, ready, began := a.owners.keys(), 0, time.Now()
	for _, certain := range a.store.Certain(ctx, owned) {
		if certain {
			ready++
		}
	}
	if len(owned) > 0 {
		a.metrics.Looked("redis", time.Since(began))
	}
	a.metrics.Shards(len(owned), ready)
	a.metrics.Sound(a.trouble() == nil)
	if a.trouble() == nil {
		if err := a.store.KeepInstallation(ctx, a.installation); err != nil {
			a.log.Debug().Err(err).Msg("Redis can't be told whose views it holds")
		}
	}
}

// mourn counts the dead letters that may hold a message of a declared channel.
func (a *App) mourn(ctx context.Context, partition int) error {
	_, end, err := a.bus.Ends(ctx, stream.Dead, partition)
	if err != nil {
		return err
	}
	letters := a.bus.Follow(stream.Dead, partition, end)
	defer letters.Close()
	for {
		round, err := letters.Next(ctx)
		if err != nil {
			return err
		}
		for _, r := range round.Records {
			if r.Header("holds") == "message" {
				a.watch.hold.Lost(time.Now())
			}
		}
	}
}

// verify looks whether Kafka still holds this installation as it must.
func (a *App) verify(ctx context.Context) {
	if err := twice(ctx, verifyAgain, a.bus.Verify); err != nil && ctx.Err() == nil {
		a.judge(err)
	}
}

// twice looks again after a while before it believes what would end all deciding for good: a broker that has just begun may
// not have heard of a topic yet. What is then seen is the answer.
func twice(ctx context.Context, again time.Duration, look func(ctx context.Context) error) error {
	err := look(ctx)
	if !bus.ForGood(err) || !pause(ctx, again) {
		return err
	}
	return look(ctx)
}

// judge ends the owners where Kafka does not hold what it must, so that leases run out and nothing is sent; a human decides.
// That Kafka could not be asked is no reason: then leases run out by themselves, and come back with it.
func (a *App) judge(err error) {
	if !bus.ForGood(err) {
		a.log.Warn().Err(err).Msg("Kafka can't be verified just now")
		return
	}
	a.lost(err)
}

// lost ends everything that decides: Kafka holds less than it must.
func (a *App) lost(err error) {
	a.fail(fmt.Errorf("%w: %w", errLost, err))
	a.log.Error().Err(err).Msg("Kafka does not hold what it must: nothing is decided or sent until a restart")
	a.owners.stop()
}
