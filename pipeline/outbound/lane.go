package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// Kind is one of the two sorts of lanes, and the label of its metrics.
type Kind string

// The kinds of lanes. Replies never wait behind a campaign.
const (
	Replies Kind = "replies"
	Bulk    Kind = "bulk"
)

// Messages gives the topic of what is to be sent.
func (k Kind) Messages() stream.Topic {
	if k == Bulk {
		return stream.OutboundBulk
	}
	return stream.OutboundReplies
}

// Intents gives the topic of what its lanes are about to do and have done.
func (k Kind) Intents() stream.Topic {
	if k == Bulk {
		return stream.IntentsBulk
	}
	return stream.IntentsReplies
}

// ahead is how far from now a lane takes places in a number's line: bulk only a moment, which is then the longest that a reply
// waits behind a campaign.
func (k Kind) ahead() time.Duration {
	if k == Bulk {
		return 50 * time.Millisecond
	}
	return 5 * time.Second
}

type asker interface {
	// Ask answers in the order of the questions.
	Ask(ctx context.Context, questions []gate.Question) []gate.Answer
}

// Explainer tells of each Skip how its entry came to be, where that can be told; see gate.Answer's Cause.
type Explainer func(ctx context.Context, questions []gate.Question, answers []gate.Answer)

type pacer interface {
	// Reserve takes places in a number's line, none of which begins later than ahead from now.
	Reserve(ctx context.Context, number string, rate float64, n int, ahead time.Duration) (ratelimit.Reservation, error)
	// Slow says that Meta finds the number too fast.
	Slow(number string)
}

type meter interface {
	Send(lane, result string) // what became of a message, or "again", "halted", "repeat"
	Gate(answer string)
	Dead(reason string)
	Called(lane string, took time.Duration) // a call has ended, however
	Open(lane string, more int)             // the lane holds so many more messages than when it last told
}

const (
	readAhead    = 10_000 // messages a lane holds at most
	roundRecords = 2_000  // of which a round may bring so many
	defaultCalls = 64
	graceful     = 15 * time.Second // that calls under way have to end when the lane stops
	finishing    = 5 * time.Second  // that the last facts and marks have to be written
)

// Lane sends the messages of one partition. Any number of processes may believe to own it: each intent is appended to a
// log of which Kafka refuses all but the last to claim, so that no message is called twice.
type Lane struct {
	Kind       Kind
	Partition  int
	Shards     chat.Shards
	Intents    shard.Log                                                   // the fenced log of this partition's intents
	Reader     shard.Reader                                                // of intents
	Follow     func(from int64) shard.Follower                             // of this partition's messages
	Holds      func(ctx context.Context) error                             // nil once it is certain that this process is the one assigned; asked before each claim; may be nil
	Gate       asker                                                       //
	Explain    Explainer                                                   // may be nil
	Caller     Caller                                                      //
	Publisher  stream.Publisher                                            // of facts
	Pace       pacer                                                       // of the numbers
	Conditions conditions                                                  // of channels; may be nil
	Reach      Reach                                                       // counts people; may be zero
	Hold       func() bool                                                 // says that bulk must wait, since STOPs lie unread; may be nil
	Directory  *chat.Directory                                             //
	Calls      int                                                         // under way at once at most; 0: 64
	OptedOut   func(m chat.Outbound, at time.Time) (*stream.Record, error) // gives the command that files who stopped marketing at Meta; may be nil
	Log        zerolog.Logger                                              //
	Metrics    meter                                                       //
}

// Run claims the partition and sends its messages. It returns nil once ctx has ended and what was under way is settled;
// stream.ErrDeposed when another has claimed the partition: then it has called nothing since it was told.
func (l *Lane) Run(ctx context.Context) error {
	r := newRun(l)
	r.work, r.hangUp = context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { time.AfterFunc(graceful, r.hangUp) })()
	defer r.hangUp()
	err := r.begin(ctx)
	if err == nil {
		err = r.send(ctx)
		r.finish(err)
		r.meter(0)
	}
	if ctx.Err() != nil && !errors.Is(err, stream.ErrDeposed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lane %s %d: %w", l.Kind, l.Partition, err)
	}
	return nil
}
