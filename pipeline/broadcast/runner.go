package broadcast

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// ErrLost says that the report no longer holds what was folded into it, or never held it: it is opened and folded anew.
var ErrLost = errors.New("report is not where its runner left it")

// states reads what the broadcasts' owner has decided; fault.NotCertain where nobody can know.
type states interface {
	// Active gives a shard's broadcasts that are not forgotten yet.
	Active(ctx context.Context, shard int) (map[Ref]Status, error)
	States(ctx context.Context, shard int, keys ...string) ([][]byte, error)
}

// report keeps what became of each row, folded from a shard's partition of outcomes. It may be lost at any time.
type report interface {
	// OpenRows makes the rows of these broadcasts ready, tells of which rows a fact is known, and gives the offset up to
	// which all of them are folded. The partition holds [first, until): a report that had to begin anew is certain only once it is
	// folded up to its end.
	OpenRows(ctx context.Context, shard int, first, until int64, all []Broadcast) (next int64, known map[Ref][]int, err error)
	// FoldRows folds the facts at offsets [from, next). Order and repeats make no difference. ErrLost where not everything
	// before from is folded, or a broadcast was not opened; then nothing has changed.
	FoldRows(ctx context.Context, shard int, from, next int64, facts []chat.Fact) error
	// DropRows lets a broadcast's rows go, in a while.
	DropRows(ctx context.Context, shard int, r Ref) error
}

// asker is the gate.
type asker interface {
	Ask(ctx context.Context, questions []gate.Question) []gate.Answer
}

// meter counts the gate's answers.
type meter interface {
	Gate(answer string)
	BroadcastPaused(code string)
}

const (
	lookEvery  = 300 * time.Millisecond
	idleEvery  = 2 * time.Second // where there is no broadcast, and no bell tells of one
	askAtOnce  = 1000            // rows asked of the gate in one pipeline
	askAgain   = time.Second     // after which rows are asked again whose shard was not certain
	sayAgain   = 5 * time.Second // after which a command is repeated that has shown no effect
	retryAfter = time.Second     // of whatever went wrong
	collecting = time.Hour       // for pages to arrive
)

// Runner runs the broadcasts of one shard, in the process that owns it. Two at once do no harm: ids are derived, lanes
// skip what they have seen, and reports fold by rank.
type Runner struct {
	Shards chat.Shards
	Shard  int
	States states
	Report report
	// Archive reads what became of the rows of a broadcast that is long over. nil: their report goes with them.
	Archive archives
	Gate    asker
	// Explain tells of each Skip how its entry came to be, where that can be told; see gate.Answer's Cause. May be nil.
	Explain func(ctx context.Context, questions []gate.Question, answers []gate.Answer)
	Reader  interface { // of the bus; shard.Reader has it
		Ends(ctx context.Context, topic stream.Topic, partition int) (first, end int64, err error)
	}
	Follow    func(from int64) shard.Follower // the shard's partition of outcomes
	Publisher stream.Publisher
	Directory *chat.Directory
	// Conditions of channels, Left of today's people of a channel's portfolio, Segments and Media may be nil: then nothing stands in
	// the way of any, and no broadcast needs the others.
	Conditions conditions
	Left       func(ctx context.Context, c chat.Channel, now channel.Condition) (left int, known bool, err error)
	Segments   Segments
	Media      Resolver
	Now        func() time.Time // nil: time.Now
	LookEvery  time.Duration    // for new broadcasts and new statuses; 0: 300 ms
	Bell       shard.Bell       // of the shard's decisions; nil: it is looked as often where there is no broadcast at all
	Metrics    meter
	Logger     zerolog.Logger

	runs   map[Ref]*run
	order  []*run // those that exist, in the order of taking turns
	tail   int64  // offset of the next fact to read; -1: no fact is in memory
	caught bool   // up with the facts that were there when following began
	looked time.Time
	rung   bool // since then

	following *following      // nil: nothing to run
	session   context.Context // ends what is done in the background
	done      chan func()     // what came of it, for the goroutine of the session
	inHand    sync.WaitGroup
}

// Run runs broadcasts until ctx ends. Whatever goes wrong is tried again: where it stood follows from the report.
func (r *Runner) Run(ctx context.Context) error {
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.LookEvery == 0 {
		r.LookEvery = lookEvery
	}
	r.runs, r.tail, r.done = map[Ref]*run{}, -1, make(chan func())
	for ctx.Err() == nil {
		err := r.sit(ctx)
		if ctx.Err() != nil {
			break
		}
		if fault.KindOf(err) != fault.NotCertain { // the shard's owner tells about that
			r.Logger.Warn().Int("shard", r.Shard).Err(err).Msg("broadcasts interrupted")
		}
		shard.Sleep(ctx, retryAfter)
	}
	return nil
}

// sit runs until something goes wrong.
func (r *Runner) sit(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	r.session = ctx
	defer r.rise(cancel)
	if err := r.look(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var rounds <-chan fed
		if r.following != nil {
			rounds = r.following.rounds
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case got := <-rounds:
			if got.err != nil {
				return fmt.Errorf("read outcomes: %w", got.err)
			}
			if err := r.fold(ctx, got.round); err != nil {
				return err
			}
		case f := <-r.done:
			f()
		case <-r.Bell:
			r.rung = true
		case <-timer.C:
		}
		if r.Now().Sub(r.looked) >= r.every() {
			if err := r.look(ctx); err != nil {
				return err
			}
		}
		more, err := r.steps(ctx)
		if err != nil {
			return err
		}
		wait := r.every()
		if more {
			wait = 0
		}
		timer.Reset(wait)
	}
}

// every is after how long it is looked again.
func (r *Runner) every() time.Duration {
	if r.Bell != nil && len(r.runs) == 0 && !r.rung {
		return max(r.LookEvery, idleEvery)
	}
	return r.LookEvery
}

// steps gives each broadcast its turn, once the facts that were there are known: rows that seem open may have been answered long
// ago.
func (r *Runner) steps(ctx context.Context) (more bool, err error) {
	if r.following == nil || !r.caught {
		return false, nil
	}
	for _, b := range r.order {
		again, err := r.step(ctx, b)
		if err != nil {
			return false, err
		}
		more = more || again
	}
	return more, nil
}

// rise ends a session and waits for what it began.
func (r *Runner) rise(cancel context.CancelFunc) {
	cancel()
	r.unfollow()
	r.inHand.Wait()
	for _, b := range r.runs {
		b.busy = false
	}
}

// background does something for a broadcast that takes long; what it returns is done by the session afterwards. Nothing else is
// begun for it meanwhile.
func (r *Runner) background(b *run, do func(ctx context.Context) func()) {
	b.busy = true
	ctx := r.session
	r.inHand.Go(func() {
		then := do(ctx)
		select {
		case r.done <- func() { b.busy = false; then() }:
		case <-ctx.Done():
		}
	})
}
