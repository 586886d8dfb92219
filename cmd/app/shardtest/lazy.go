package shardtest

import (
	"context"
	"math/rand/v2"
	"time"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// lazy pauses between all steps of an owner now and then, long enough for others to claim and decide meanwhile. These
// pauses are the attack itself, on real servers with clocks of their own, so that they can't be simulated.
type lazy struct {
	chance float64
	asleep func() // told when a pause begins: the moment to depose the owner
}

const longestNap = 600 * time.Millisecond

func (l lazy) nap() {
	if rand.Float64() < l.chance {
		l.asleep()
		time.Sleep(rand.N(longestNap))
	}
}

type lazyLog struct {
	lazy
	shard.Log
}

func (l lazyLog) Append(ctx context.Context, topic stream.Topic, records []*stream.Record) (int64, error) {
	l.nap()
	defer l.nap()
	return l.Log.Append(ctx, topic, records)
}

func (l lazyLog) Claim(ctx context.Context) error {
	defer l.nap()
	return l.Log.Claim(ctx)
}

type lazyView struct {
	lazy
	shard.View
}

func (v lazyView) Position(ctx context.Context) (shard.Position, error) {
	defer v.nap()
	return v.View.Position(ctx)
}

func (v lazyView) Begin(ctx context.Context, seen, p shard.Position) error {
	v.nap()
	defer v.nap()
	return v.View.Begin(ctx, seen, p)
}

func (v lazyView) Load(ctx context.Context, p shard.Position, keys []string) ([][]byte, error) {
	v.nap()
	defer v.nap()
	return v.View.Load(ctx, p, keys)
}

func (v lazyView) Apply(ctx context.Context, from, to shard.Position, changes []shard.Change, lease time.Time) (time.Time, error) {
	v.nap()
	defer v.nap()
	return v.View.Apply(ctx, from, to, changes, lease)
}

type lazyPublisher struct {
	lazy
	stream.Publisher
}

func (p lazyPublisher) Publish(ctx context.Context, records ...*stream.Record) error {
	p.nap()
	defer p.nap()
	return p.Publisher.Publish(ctx, records...)
}

// unfenced is the mutation "no fence": it appends as anybody may.
type unfenced struct{ stream.Publisher }

func (u unfenced) Claim(context.Context) error { return nil }
func (u unfenced) Idle() time.Duration         { return 0 }

func (u unfenced) Append(ctx context.Context, _ stream.Topic, records []*stream.Record) (int64, error) {
	if err := u.Publish(ctx, records...); err != nil {
		return 0, err
	}
	return records[0].Offset, nil
}

// unchecked is the mutation "no position check": whatever the view's position is, it is taken for the expected one.
type unchecked struct{ shard.View }

func (u unchecked) Load(ctx context.Context, _ shard.Position, keys []string) ([][]byte, error) {
	at, err := u.Position(ctx)
	if err != nil {
		return nil, err
	}
	return u.View.Load(ctx, at, keys)
}

func (u unchecked) Apply(ctx context.Context, _, to shard.Position, changes []shard.Change, lease time.Time) (time.Time, error) {
	at, err := u.Position(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return u.View.Apply(ctx, at, to, changes, lease)
}
