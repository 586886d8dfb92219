package broadcast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

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
	// which all of them are folded. until is the end of the partition: a report that had to begin anew is certain
	// only once it is folded up to there.
	OpenRows(ctx context.Context, shard int, until int64, all []Broadcast) (next int64, known map[Ref][]int, err error)
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
}

// DefaultCredit is how many messages of one broadcast are at most in the lanes without an outcome.
const DefaultCredit = 300

const (
	lookEvery  = 300 * time.Millisecond // for new broadcasts and new statuses
	askAtOnce  = 1000                   // rows asked of the gate in one pipeline
	askAgain   = time.Second            // after which rows are asked again whose shard was not certain
	sayAgain   = 5 * time.Second        // after which a command is repeated that has shown no effect
	retryAfter = time.Second            // of whatever went wrong
	creditTime = 30 * time.Second       // of a channel's rate: how long pausing takes to act
	collecting = time.Hour              // for pages to arrive
)

// Runner runs the broadcasts of one shard, in the process that owns it. Two at once do no harm: ids are derived, lanes
// skip what they have seen, and reports fold by rank.
type Runner struct {
	Shards chat.Shards
	Shard  int
	States states
	Report report
	Gate   asker
	// Explain tells of each Skip how its entry came to be, where that can be told; see gate.Answer's Cause. May be nil.
	Explain func(ctx context.Context, questions []gate.Question, answers []gate.Answer)
	Reader  interface { // of the bus; shard.Reader has it
		Ends(ctx context.Context, topic stream.Topic, partition int) (first, end int64, err error)
	}
	Follow    func(from int64) shard.Follower // the shard's partition of outcomes
	Publisher stream.Publisher
	Directory *chat.Directory
	Credit    int              // 0: DefaultCredit
	Now       func() time.Time // nil: time.Now
	Metrics   meter
	Logger    zerolog.Logger

	runs     map[Ref]*run
	order    []*run // those that exist, in the order of taking turns
	follower shard.Follower
	tail     int64 // offset of the next fact to read; -1: no fact is in memory
	caught   bool  // up with the facts that were there when following began
	looked   time.Time
}

// Run runs broadcasts until ctx ends. Whatever goes wrong is tried again: where it stood follows from the report.
func (r *Runner) Run(ctx context.Context) error {
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Credit == 0 {
		r.Credit = DefaultCredit
	}
	r.runs, r.tail = map[Ref]*run{}, -1
	defer r.unfollow()
	for ctx.Err() == nil {
		err := r.session(ctx)
		r.unfollow()
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

// session runs until something goes wrong.
func (r *Runner) session(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return err
	}
	for {
		if r.Now().Sub(r.looked) >= lookEvery {
			if err := r.look(ctx); err != nil {
				return err
			}
		}
		if r.follower == nil { // nothing to run
			if !shard.Sleep(ctx, lookEvery) {
				return ctx.Err()
			}
			continue
		}
		round, err := r.follower.Next(ctx)
		if err != nil {
			return fmt.Errorf("read outcomes: %w", err)
		}
		if err := r.fold(ctx, round); err != nil {
			return err
		}
		if !r.caught {
			continue // rows that seem open may have been answered long ago
		}
		for _, b := range r.order {
			if err := r.step(ctx, b); err != nil {
				return err
			}
		}
	}
}

func (r *Runner) unfollow() {
	if r.follower != nil {
		r.follower.Close()
		r.follower = nil
	}
}
