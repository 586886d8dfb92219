package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"optgate/configs"
	"optgate/gateway/bus"
	"optgate/gateway/meta"
	"optgate/gateway/store"
	"optgate/pipeline/access"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/contact"
	"optgate/pipeline/feed"
	"optgate/pipeline/gate"
	"optgate/pipeline/imports"
	"optgate/pipeline/inbound"
	"optgate/pipeline/media"
	"optgate/pipeline/optout"
	"optgate/pipeline/outbound"
	"optgate/pipeline/segment"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// The groups, and the names that owned partitions are claimed under. What is claimed under another name is another thing to
// Kafka, so these can't be changed.
const (
	groupInbound = "inbound"
	groupOwners  = "owners"
	groupLanes   = "lanes"

	claimShard = "shard"
	claimLane  = "lane."
)

// allRules gives the fold of every kind of command.
func allRules() shard.Rules {
	return shard.Join(optout.Rules(), broadcast.Rules(), broadcast.AudienceRules(), imports.Rules(), access.Rules(), feed.Rules(), media.Rules(), channel.Rules(), contact.Rules(), segment.Rules(), sequence.Rules(), shard.ForgetRules())
}

// newOwners makes the roster of shards; nothing is owned yet.
func (a *App) newOwners() *roster[int] {
	rules := allRules()
	return newRoster(a.log, func(ctx context.Context, s int, holds func(context.Context) error) error {
		runner, drips := a.runner(s), a.sequences(s)
		runner.Bell, drips.Bell = shard.NewBell(), shard.NewBell()
		beside := crew{log: a.log}
		beside.work(fmt.Sprintf("broadcasts of shard %d", s), runner.Run)
		beside.work(fmt.Sprintf("single messages of shard %d", s), a.singles(s).Run)
		beside.work(fmt.Sprintf("sequences of shard %d", s), drips.Run)
		beside.work(fmt.Sprintf("feeds of shard %d", s), a.feed(s).Run)
		watcher := &channel.Watcher{
			Shards: a.shards, Shard: s, Directory: a.directory, Conditions: a.store, Graph: a.graph, Publisher: a.bus, Logger: a.log,
		}
		beside.work(fmt.Sprintf("channels of shard %d", s), watcher.Run)
		beside.work(fmt.Sprintf("answers of shard %d", s), func(ctx context.Context) error {
			return sweep(ctx, func(ctx context.Context) (bool, error) { return a.forget(ctx, s) })
		})
		beside.work(fmt.Sprintf("audits of shard %d", s), func(ctx context.Context) error {
			return sweep(ctx, func(ctx context.Context) (bool, error) { return a.forgetAudit(ctx, s) })
		})
		beside.work(fmt.Sprintf("libraries of shard %d", s), func(ctx context.Context) error { return a.tendMedia(ctx, s) })
		beside.work(fmt.Sprintf("audiences of shard %d", s), func(ctx context.Context) error { return a.tendAudiences(ctx, s) })
		beside.work(fmt.Sprintf("imports of shard %d", s), func(ctx context.Context) error { return a.tendImports(ctx, s) })
		beside.work(fmt.Sprintf("deleted lists of shard %d", s), func(ctx context.Context) error { return a.emptyGone(ctx, s) })
		defer beside.stop()
		meter := a.metrics.Shard(s)
		defer meter.Close()
		o := &shard.Owner{
			Shards: a.shards, Shard: s, Installation: a.installation, Rules: rules, Log: a.bus.Own(claimShard, s), Reader: a.bus, Publisher: a.bus, View: a.store.View(s),
			Follow:  func(from int64) shard.Follower { return a.bus.Follow(stream.Commands, s, from) },
			Changed: func() { runner.Bell.Ring(); drips.Bell.Ring() },
			Holds:   holds, Decided: a.count, Lost: func(err error) { go a.lost(err) }, Metrics: meter, Logger: a.log,
		}
		return o.Run(ctx)
	})
}

// own owns shards: all of them where Kafka is embedded, since nobody else could, else those that the group assigns.
func (a *App) own() {
	a.crew.onStop(a.owners.stop)
	if a.config.Kafka.Embedded() {
		a.owners.assign(a.allShards(), func(context.Context, int) error { return nil })
		return
	}
	a.crew.work("group of owners", func(ctx context.Context) error {
		return a.bus.Assign(ctx, groupOwners, []stream.Topic{stream.Commands}, func(now bus.Assignment) {
			a.owners.assign(now.Partitions[stream.Commands], func(ctx context.Context, s int) error {
				return now.Holds(ctx, stream.Commands, s)
			})
		})
	})
}

// forget asks a shard to forget answers that nobody can ask for any more; found says that there were some.
func (a *App) forget(ctx context.Context, s int) (found bool, err error) {
	now := time.Now()
	old, err := a.store.OldAnswers(ctx, s, now.Add(-shard.AnswersKept))
	if err != nil || len(old) == 0 {
		return false, err
	}
	c, err := shard.NewCommand(rand.Text(), shard.CommandForget, "", now.UnixMilli(), shard.Forget{Commands: old})
	if err != nil {
		return false, err
	}
	record, err := c.Record(s)
	if err != nil {
		return false, err
	}
	return true, a.bus.Publish(ctx, record)
}

// runner runs the broadcasts of a shard, beside its owner.
func (a *App) runner(s int) *broadcast.Runner {
	return &broadcast.Runner{
		Shards: a.shards, Shard: s, States: a.store, Report: a.store, Archive: a.store, Gate: a.store, Explain: a.store.Explain, Reader: a.bus, Publisher: a.bus,
		Follow:    func(from int64) shard.Follower { return a.bus.Follow(stream.Outcomes, s, from) },
		Directory: a.directory, Conditions: a.store, Left: a.left, Segments: segments{a.store}, Media: a.media,
		Metrics: a.metrics, Logger: a.log,
	}
}

// singles folds what becomes of a shard's single messages, beside its owner.
func (a *App) singles(s int) *broadcast.Singles {
	return &broadcast.Singles{
		Shard: s, Outcomes: a.store, Reader: a.bus, Logger: a.log,
		Follow: func(from int64) shard.Follower { return a.bus.Follow(stream.Outcomes, s, from) },
	}
}

// count counts opt-outs, once each has been decided.
func (a *App) count(rows []*stream.Record) {
	for _, r := range rows {
		var row optout.Row
		if json.Unmarshal(r.Value, &row) == nil && row.To == optout.StandingOut && row.List != gate.Blacklist {
			a.metrics.Optout(row.List, row.Source)
		}
	}
}

// handle works off what ingress kept.
func (a *App) handle() {
	handler := &inbound.Handler{
		Decode: meta.Decode, Salvage: meta.Salvage, Directory: a.directory, Accounts: a.store, Sent: a.store, Blacklist: a.store, Windows: a.store,
		Publisher: measured{a.bus, a, configs.RolePipeline, nil}, Shards: a.shards, Now: time.Now, Logger: a.log, Metrics: a.metrics,
	}
	a.crew.work("near misses", handler.TellNears)
	a.crew.work("inbound", func(ctx context.Context) error {
		err := a.bus.Consume(ctx, groupInbound, stream.Inbound, handler.Handle)
		if errors.Is(err, stream.ErrTruncated) { // items that were answered 200 are gone unread, and STOPs may be among them
			a.lost(err)
			<-ctx.Done()
		}
		return err
	})
}

// lane names one partition of one kind of lane.
type lane struct {
	kind      outbound.Kind
	partition int
}

// send owns lanes, as own owns shards.
func (a *App) send() {
	pace := ratelimit.NewPace(a.store)
	recount := outbound.NewRecount(outbound.Recount{
		Lanes: a.shards.Lanes(), Reader: a.bus, Since: a.bus.Since, Directory: a.directory, Counts: a.store, Log: a.log,
	})
	a.crew.work("people whom portfolios have reached", recount.Run)
	lanes := newRoster(a.log, func(ctx context.Context, at lane, holds func(context.Context) error) error {
		l := &outbound.Lane{
			Kind: at.kind, Partition: at.partition, Shards: a.shards, Intents: a.bus.Own(claimLane+string(at.kind)+".", at.partition),
			Reader: a.bus, Follow: func(from int64) shard.Follower { return a.bus.Follow(at.kind.Messages(), at.partition, from) },
			Holds: holds, Gate: a.store, Explain: a.store.Explain, Caller: noting{a.graph, a.store, a.log}, Publisher: measured{a.bus, a, configs.RoleSender, nil}, Pace: pace, Hold: a.watch.behind, Directory: a.directory,
			Conditions: a.store, Reach: outbound.Reach{Service: a.store, Tiers: a.store, Recount: recount},
			OptedOut: func(m chat.Outbound, when time.Time) (*stream.Record, error) {
				return optout.StoppedAtMeta(a.shards, m, when, a.metaList(m.Account))
			},
			Log: a.log, Metrics: a.metrics,
		}
		return l.Run(ctx)
	})
	a.crew.onStop(lanes.stop)
	if a.config.Kafka.Embedded() {
		var all []lane
		for p := range a.shards.Lanes() {
			all = append(all, lane{outbound.Replies, p}, lane{outbound.Bulk, p})
		}
		lanes.assign(all, func(context.Context, lane) error { return nil })
		return
	}
	a.crew.work("group of lanes", func(ctx context.Context) error {
		topics := []stream.Topic{stream.OutboundReplies, stream.OutboundBulk}
		return a.bus.Assign(ctx, groupLanes, topics, func(now bus.Assignment) {
			var mine []lane
			for _, kind := range []outbound.Kind{outbound.Replies, outbound.Bulk} {
				for _, p := range now.Partitions[kind.Messages()] {
					mine = append(mine, lane{kind, p})
				}
			}
			lanes.assign(mine, func(ctx context.Context, l lane) error { return now.Holds(ctx, l.kind.Messages(), l.partition) })
		})
	})
}

// metaList gives an account's Meta list. Where nobody can know in time it is as it was made: whom Meta refuses must be filed.
func (a *App) metaList(account string) optout.List {
	ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
	defer cancel()
	if known, err := a.store.Lexicon(ctx, account); err == nil {
		if l, ok := known.Account.List(gate.MetaList); ok {
			return l
		}
	}
	return optout.List{ID: gate.MetaList, Scope: optout.ScopeChannel}
}

// noteWithin bounds how long a message that Meta has taken waits for the index of receipts, which may do without it.
const noteWithin = time.Second

// noting remembers what each message was called with, for receipts that don't repeat it.
type noting struct {
	outbound.Caller
	store *store.Store
	log   zerolog.Logger
}

func (n noting) Call(ctx context.Context, m chat.Outbound, good time.Time) (string, error) {
	id, err := n.Caller.Call(ctx, m, good)
	if err != nil || m.Kind == chat.KindConfirmation {
		return id, err
	}
	ctx, cancel := context.WithTimeout(ctx, noteWithin)
	defer cancel()
	if err := n.store.NoteSent(ctx, m.Account, id, m.Callback()); err != nil {
		n.log.Debug().Err(err).Msg("a receipt may not find its row")
	}
	return id, nil
}

// declare tells the shards what the configuration says of accounts, and waits until they know.
func (a *App) declare(ctx context.Context) error {
	for _, account := range a.config.Accounts {
		var channels []optout.DeclaredChannel
		for _, c := range account.Channels {
			channels = append(channels, optout.DeclaredChannel{ID: c.ID, Number: c.Number})
		}
		id := "declare/" + account.ID + "/" + rand.Text()
		record, err := optout.NewAccount(a.shards, id, account.ID, time.Now().UnixMilli(), chat.Key(rand.Text()), channels)
		if err != nil {
			return err
		}
		if err := a.bus.Publish(ctx, record); err != nil {
			return fmt.Errorf("declare account %s: %w", account.ID, err)
		}
		for {
			_, decided, err := a.store.Answer(ctx, record.Partition, record.Offset, id)
			if decided && err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("declare account %s: no owner has decided it: %w", account.ID, ctx.Err())
			case <-time.After(awaitEvery):
			}
		}
	}
	return nil
}
