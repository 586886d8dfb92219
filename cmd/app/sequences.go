package app

import (
	"context"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// sequences brings on the sequences of a shard, beside its owner.
func (a *App) sequences(s int) *sequence.Runner {
	return &sequence.Runner{
		Shards: a.shards, Shard: s, States: a.store, Gate: a.store, Explain: a.store.Explain, Reader: a.bus, Publisher: a.bus,
		Follow:    func(from int64) shard.Follower { return a.bus.Follow(stream.Outcomes, s, from) },
		Directory: a.directory, Media: a.media, Rate: a.rateOf, Metrics: a.metrics, Logger: a.log,
	}
}

// rateOf gives how many messages a second a channel sends just now; as declared where nobody knows better.
func (a *App) rateOf(ctx context.Context, c chat.Channel) float64 {
	condition, err := a.store.Condition(ctx, c.Account, c.ID)
	if err != nil {
		return c.Rate
	}
	return channel.Rate(c, condition)
}
