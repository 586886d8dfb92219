package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// renewEvery is how long a lease is left alone while nothing comes: rounds may follow each other much faster.
const renewEvery = 100 * time.Millisecond

// LeaseTime is how long a lease lasts from the time of Redis at which its owner was last known to be up to date.
const LeaseTime = 1500 * time.Millisecond

const (
	turnCommands  = 2000    // commands a decision takes at most
	turnBytes     = 1 << 20 // bytes of new state and ledger after which it takes no more
	mostBytes     = 3 << 20 // bytes of all that one command causes; with turnBytes well below what a log takes
	loadStates    = 2000    // states loaded into the view at once
	loadBytes     = 1 << 20
	lossesCertain = 8                  // looks in a row, over some seconds: a new leader may know less of the end for a moment
	maxAge        = 7 * 24 * time.Hour // of a view that is brought up to date by replay: half of state's delete.retention.ms
)

var (
	// ErrLost says that Kafka holds less than the view was made from: nothing may be decided or sent until a human has looked.
	ErrLost    = errors.New("states that the view was made from are lost")
	errReclaim = errors.New("claim is due")
)

// Log is the fenced log of one owned partition.
type Log interface {
	// Claim makes Kafka refuse all older owners from now on.
	Claim(ctx context.Context) error
	// Append adds one batch and gives its first offset; stream.ErrDeposed where a newer owner has claimed.
	Append(ctx context.Context, topic stream.Topic, records []*stream.Record) (int64, error)
	// Idle is the wall-clock time since the last append.
	Idle() time.Duration
}

// Reader reads a partition's records in [from, to).
type Reader interface {
	Read(ctx context.Context, topic stream.Topic, partition int, from, to int64, each func(stream.Record) error) error
	// Ends gives the offsets of the first record and after the last.
	Ends(ctx context.Context, topic stream.Topic, partition int) (first, end int64, err error)
}

// Follower brings commands as they come, round by round; an empty round at least every 300 ms.
type Follower interface {
	Next(ctx context.Context) (stream.Round, error)
	Close()
}

// Owner decides all commands of one shard. Any number may believe to be it: Kafka and the view refuse all but the last to claim.
type Owner struct {
	Shards chat.Shards
	Shard  int
	// Installation is the id that the chain of the ledger begins with, so that no other installation's fits.
	Installation string
	Rules        Rules
	Log          Log
	Reader       Reader
	Follow       func(from int64) Follower // of the shard's partition of commands
	Publisher    stream.Publisher          // of effects
	View         View
	// Holds returns nil once it is certain that this process is still the one assigned to the shard, and an error when it
	// isn't. It is asked before each claim, else a woken zombie and the owner would depose each other in turns.
	Holds func(ctx context.Context) error
	// Decided is told the ledger rows of each decision once it stands. May be nil.
	Decided func(rows []*stream.Record)
	// Changed is told of each decision, and of each claim, once the view shows it. May be nil.
	Changed func()
	// Lost is told once several looks in a row have shown that Kafka holds less than it must. It must not wait for the owner.
	// May be nil.
	Lost    func(err error)
	Metrics meter // may be nil
	Logger  zerolog.Logger

	at       Position
	cursor   Cursor
	ledger   ledger
	clock    clock
	follower Follower
	claimed  time.Time
	losses   int       // looks in a row that showed a loss
	leased   time.Time // when the lease was last renewed, by our clock
}

// Run owns the shard until ctx ends or another process is assigned to it.
func (o *Owner) Run(ctx context.Context) error {
	defer o.unfollow()
	if o.Metrics == nil {
		o.Metrics = unmetered{}
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	hard, pause := true, pauses()
	for ctx.Err() == nil {
		if hard {
			if err := o.Holds(ctx); err != nil {
				return fmt.Errorf("shard %d: %w", o.Shard, err)
			}
		}
		err := o.claim(ctx, hard)
		if err == nil {
			hard = false
			o.Changed()
		}
		worked := false
		for err == nil && ctx.Err() == nil {
			if err = o.turn(ctx); err == nil {
				worked = true
				o.sayHead()
			}
		}
		if worked {
			pause, o.losses = pauses(), 0
		}
		o.unfollow()
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case errors.Is(err, ErrMoved):
			o.Logger.Info().Int("shard", o.Shard).Msg("view moved: claiming anew")
			if worked {
				continue
			}
		case errors.Is(err, errReclaim):
			hard = true
			continue
		case errors.Is(err, stream.ErrDeposed):
			hard = true
			o.Logger.Info().Int("shard", o.Shard).Msg("deposed")
		case errors.Is(err, ErrLost), errors.Is(err, stream.ErrTruncated), errors.Is(err, stream.ErrVersion):
			hard = true
			o.Logger.Error().Int("shard", o.Shard).Err(err).Msg("shard can't be owned: a human must decide")
			if o.losses++; o.losses >= lossesCertain && o.Lost != nil && !errors.Is(err, stream.ErrVersion) {
				o.Lost(err)
			}
		default:
			o.Logger.Warn().Int("shard", o.Shard).Err(err).Msg("shard interrupted")
		}
		if !Sleep(ctx, pause()) {
			return nil
		}
	}
	return nil
}

// turn handles one round of commands.
func (o *Owner) turn(ctx context.Context) error {
	if ClaimDue(o.claimed, o.Log.Idle()) {
		return errReclaim
	}
	round, err := o.follower.Next(ctx)
	if err != nil {
		return err
	}
	records := round.Records
	for len(records) > 0 {
		n, err := o.decide(ctx, records, round)
		if err != nil {
			return err
		}
		records = records[n:]
	}
	if len(round.Records) > 0 {
		return nil // the decision has renewed the lease
	}
	o.Metrics.Turned(0, round.High-o.cursor.Command)
	if lease := o.lease(round, o.cursor.Command); !lease.IsZero() && time.Since(o.leased) >= renewEvery {
		return o.apply(ctx, o.at, nil, lease)
	}
	return nil
}

// lease gives the time until which the shard is certain: a while after a moment of the view's clock that lay before a
// fetch whose end the cursor has reached. Zero: the cursor is behind. An owner that was paused gets a time long past.
func (o *Owner) lease(round stream.Round, next int64) time.Time {
	t := o.clock.before(round.Began)
	if t.IsZero() || next < round.High {
		return time.Time{}
	}
	return t.Add(LeaseTime)
}

// decide folds as many of the records as one decision takes, and gives their number.
func (o *Owner) decide(ctx context.Context, records []stream.Record, round stream.Round) (int, error) {
	b, err := o.fold(ctx, records[:min(len(records), turnCommands)])
	if err != nil {
		return 0, err
	}
	if err := o.tell(ctx, b); err != nil {
		return 0, err
	}
	cursor := o.ledger.cursor(records[b.taken-1].Offset+1, o.cursor)
	state, changes, err := b.decision(o.Shard, cursor)
	if err != nil {
		return 0, err
	}
	base, err := o.Log.Append(ctx, stream.State, state)
	if err != nil {
		return 0, err
	}
	if base != o.at.Next {
		return 0, fmt.Errorf("state continues at %d, not at %d: %w", base, o.at.Next, stream.ErrDeposed)
	}
	next := Position{Generation: o.at.Generation, Next: base + int64(len(state)), Whole: true}
	if err := o.apply(ctx, next, changes, o.lease(round, cursor.Command)); err != nil {
		return 0, err
	}
	o.cursor = cursor
	o.ledger.settle(cursor.Command)
	o.measure(b, round, cursor.Command)
	o.Changed()
	if o.Decided != nil && len(b.rows) > 0 {
		o.Decided(b.rows)
	}
	return b.taken, nil
}

// tell appends what a decision causes before the decision itself: a crash in between repeats it under the same ids.
func (o *Owner) tell(ctx context.Context, b *batch) error {
	told := make(chan error, 1)
	go func() {
		if len(b.effects) == 0 {
			told <- nil
			return
		}
		told <- o.Publisher.Publish(ctx, b.effects...)
	}()
	err := o.append(ctx, b.rows)
	return errors.Join(err, <-told)
}

func (o *Owner) apply(ctx context.Context, to Position, changes []Change, lease time.Time) error {
	now, err := o.View.Apply(ctx, o.at, to, changes, lease)
	if err != nil {
		return err
	}
	o.at = to
	o.clock.note(now)
	if lease.After(now) {
		o.leased = time.Now()
		o.Metrics.Leased()
	}
	return nil
}

func (o *Owner) unfollow() {
	if o.follower != nil {
		o.follower.Close()
		o.follower = nil
	}
}
