package sequence

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// states reads what the sequences' owner has decided; fault.NotCertain where nobody can know.
type states interface {
	// Sequences gives a shard's sequences, and of each something that is another with every change of it.
	Sequences(ctx context.Context, shard int) (map[Ref]string, error)
	// Sequence gives a sequence and its sums; nil where there is none.
	Sequence(ctx context.Context, r Ref) (*Sequence, *Sums, error)
	// DueSubscribers gives people whose Due is not after a time, the earliest first.
	DueSubscribers(ctx context.Context, r Ref, until int64, limit int) ([]Subscriber, error)
	// Subscribers pages through a sequence's people in the order of their Place; after and next are "" at the ends.
	Subscribers(ctx context.Context, r Ref, after string, limit int) (page []Subscriber, next string, err error)
}

// asker is the gate.
type asker interface {
	Ask(ctx context.Context, questions []gate.Question) []gate.Answer
}

// meter counts the gate's answers.
type meter interface {
	Gate(answer string)
}

const (
	lookEvery  = 250 * time.Millisecond // for what is due
	idleEvery  = 2 * time.Second        // for the first sequence of a shard, where no bell tells of it
	tellAgain  = 5 * time.Second        // after which a decision that has shown no effect is asked for again
	doubtTime  = time.Second            // after which somebody is asked about again whose shard was not certain
	retryAfter = time.Second            // of whatever went wrong
	mediaTime  = 30 * time.Second       // for the files of a message to be given to Meta
	mediaAgain = 10 * time.Second       // after which that is tried again
	creditTime = 30 * time.Second       // of a channel's rate: how long pausing takes to act
	mostCredit = 10_000
	pageSize   = 500       // people in one command
	pageBytes  = 256 << 10 // of messages that one command causes
	sweepPage  = 500
	factsOnce  = 200
	foldedLag  = 10_000 // records by which the place in outcomes may be behind in the state of a sequence about which nothing is told
)

// Runner brings on the sequences of one shard, in the process that owns it. It decides nothing: it finds who is due, asks the
// gate, and asks the owner for the decision, which looks again. Two at once, or one that is killed anywhere, do no harm.
type Runner struct {
	Shards chat.Shards
	Shard  int
	States states
	Gate   asker
	// Explain tells of each Skip how its entry came to be, where that can be told; see gate.Answer's Cause. May be nil.
	Explain func(ctx context.Context, questions []gate.Question, answers []gate.Answer)
	// Media finds what Meta knows files of the library by; nil: messages show none.
	Media  broadcast.Resolver
	Reader interface { // of the bus; shard.Reader has it
		Ends(ctx context.Context, topic stream.Topic, partition int) (first, end int64, err error)
	}
	Follow    func(from int64) shard.Follower // the shard's partition of outcomes
	Publisher stream.Publisher
	Directory *chat.Directory
	Credit    int // messages of one sequence in the lanes without an outcome; 0: as many as the channel sends in 30 s, at most 10,000
	// Rate gives how many messages a second a channel sends just now; nil: as it is declared.
	Rate    func(ctx context.Context, c chat.Channel) float64
	Now     func() time.Time // nil: time.Now
	Bell    shard.Bell       // of the shard's decisions; nil: it is looked for the first sequence as often as for what is due
	Metrics meter
	Logger  zerolog.Logger

	calendar Calendar
	runs     map[Ref]*run
	follower shard.Follower
	tail     int64 // offset of the next fact to read
	looked   time.Time
}

// run is one sequence in its runner's memory. All of it can be had again from states.
type run struct {
	Sequence
	stamp  string
	folded int64                   // up to where its state is known to have been told facts
	told   map[chat.Pseudonym]told // decisions that show no effect yet
	rests  time.Time               // nothing is done for it before
	sweep  string                  // where the sweep of this version has come to
	swept  bool                    // to the end
	asked  time.Time               // when that was told
}

// told is a decision that was asked for.
type told struct {
	round int64
	step  int
	due   int64
	laned bool      // it hands a message to a lane
	until time.Time // then it is taken for lost
}

// Run runs until ctx ends. Whatever goes wrong is tried again.
func (r *Runner) Run(ctx context.Context) error {
	if r.Now == nil {
		r.Now = time.Now
	}
	r.calendar = Calendar{Directory: r.Directory}
	for ctx.Err() == nil {
		r.runs = map[Ref]*run{}
		err := r.session(ctx)
		r.unfollow()
		if ctx.Err() != nil {
			break
		}
		if fault.KindOf(err) != fault.NotCertain { // the shard's owner tells about that
			r.Logger.Warn().Int("shard", r.Shard).Err(err).Msg("sequences interrupted")
		}
		shard.Sleep(ctx, retryAfter)
	}
	return nil
}

// session runs until something goes wrong.
func (r *Runner) session(ctx context.Context) error {
	for {
		if err := r.look(ctx); err != nil {
			return err
		}
		if r.follower == nil { // no sequence
			if !shard.Sleep(ctx, lookEvery) || !r.Bell.Wait(ctx, idleEvery) {
				return ctx.Err()
			}
			continue
		}
		if err := r.listen(ctx); err != nil {
			return err
		}
		for _, q := range r.runs {
			if err := r.tend(ctx, q); err != nil {
				return err
			}
		}
	}
}

// look finds sequences that are new, changed or gone, and sees to it that facts about them are read.
func (r *Runner) look(ctx context.Context) error {
	if r.Now().Sub(r.looked) < lookEvery && r.follower != nil {
		return nil
	}
	if err := r.find(ctx); err != nil {
		return err
	}
	if len(r.runs) == 0 {
		r.unfollow()
		return nil
	}
	if r.follower == nil {
		return r.follow(ctx)
	}
	return nil
}

func (r *Runner) find(ctx context.Context) error {
	all, err := r.States.Sequences(ctx, r.Shard)
	if err != nil {
		return fmt.Errorf("look for sequences: %w", err)
	}
	r.looked = r.Now()
	for ref := range r.runs {
		if _, there := all[ref]; !there {
			delete(r.runs, ref)
		}
	}
	for ref, stamp := range all {
		known := r.runs[ref]
		if known != nil && known.stamp == stamp {
			continue
		}
		q, sums, err := r.States.Sequence(ctx, ref)
		if err != nil {
			return fmt.Errorf("read a sequence: %w", err)
		}
		if q == nil || sums == nil {
			continue // it is gone by now
		}
		if known == nil {
			known = &run{told: map[chat.Pseudonym]told{}, folded: sums.Folded}
			r.runs[ref] = known
		}
		if known.Version != q.Version || known.Status != q.Status { // what was asked for before may have had no effect
			known.sweep, known.swept, known.told = "", false, map[chat.Pseudonym]told{}
		}
		known.Sequence, known.stamp, known.rests = *q, stamp, time.Time{}
	}
	return nil
}

// follow reads facts from where the sequence that was told least has come to. What Kafka keeps no longer is not missed: rows of it
// stay as they are.
func (r *Runner) follow(ctx context.Context) error {
	first, end, err := r.Reader.Ends(ctx, stream.Outcomes, r.Shard)
	if err != nil {
		return fmt.Errorf("ends of outcomes: %w", err)
	}
	from := end
	for _, q := range r.runs {
		from = min(from, q.folded)
	}
	r.tail = max(from, first)
	r.follower = r.Follow(r.tail)
	return nil
}

func (r *Runner) unfollow() {
	if r.follower != nil {
		r.follower.Close()
		r.follower = nil
	}
}

// publish asks the shard's owner for a decision. Its id need not be kept: the fold looks at what there is.
func (r *Runner) publish(ctx context.Context, commands ...shard.Command) error {
	records := make([]*stream.Record, len(commands))
	for i, c := range commands {
		var err error
		if records[i], err = c.Record(r.Shard); err != nil {
			return err
		}
	}
	if len(records) == 0 {
		return nil
	}
	if err := r.Publisher.Publish(ctx, records...); err != nil {
		return fmt.Errorf("publish %s: %w", commands[0].Kind, err)
	}
	return nil
}

// command makes one. What a runner asks for is answered to nobody, so that its id only names it in logs.
func (r *Runner) command(q *run, kind, id string, body any) (shard.Command, error) {
	return shard.NewCommand(q.ID+"."+id, kind, q.Account, r.Now().UnixMilli(), body)
}
