package bus

import (
	"context"
	"sync"
	"time"

	"optgate/pipeline/stream"
)

// maxRound bounds the records of one round.
const maxRound = 2000

// Follower reads one partition on and on, fetched ahead of its reader.
type Follower struct {
	b   *Bus
	at  place
	nth int // among the followers of this partition

	// Of the fetch on its way, which is one at a time.
	next   int64
	asked  bool // guarded by the feed's mutex
	hungry int  // fetches in a row that had no room for it

	mu     sync.Mutex
	rounds []stream.Round
	ahead  int       // bytes in rounds
	quiet  time.Time // when the last round began, if it was empty
	err    error
	news   chan struct{}
}

// Follow reads a partition from an offset on; the first fetch begins at once. Close it after use.
func (b *Bus) Follow(topic stream.Topic, partition int, from int64) *Follower {
	w := &Follower{b: b, at: place{topic, partition}, next: from, news: make(chan struct{}, 1)}
	b.join(w)
	return w
}

// quietEvery is the time between two empty rounds. Fetches are answered for all followers as soon as there is anything for
// one, and to wake all the others each time would cost more than all the rest.
const quietEvery = 50 * time.Millisecond

// Next gives the next round, in order. While nothing comes, there is an empty round every 50 to 300 ms, so that High and
// Began stay fresh; a reader that is slow gets only the last of several. While Kafka is away there is none. The error is
// stream.ErrTruncated for good once the log turns out not to hold the offset, or ctx's.
func (f *Follower) Next(ctx context.Context) (stream.Round, error) {
	for {
		round, ok, err := f.pop()
		if ok || err != nil {
			return round, err
		}
		select {
		case <-f.news:
		case <-f.b.ctx.Done():
			return stream.Round{}, errClosed
		case <-ctx.Done():
			return stream.Round{}, context.Cause(ctx)
		}
	}
}

// Close ends the following. A call of Next on its way ends with an error.
func (f *Follower) Close() {
	f.b.leave(f)
	f.end(errStopped)
}

func (f *Follower) pop() (stream.Round, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rounds) == 0 {
		return stream.Round{}, false, f.err
	}
	round := f.rounds[0]
	f.rounds = f.rounds[1:]
	f.ahead -= weight(round.Records)
	if len(f.rounds) > 0 || f.err != nil {
		f.tell()
	}
	return round, true, nil
}

// take adds what a fetch brought.
func (f *Follower) take(p page, began time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return
	}
	switch {
	case len(p.records) > 0:
		f.quiet = time.Time{}
	case began.Sub(f.quiet) < quietEvery:
		return
	default:
		f.quiet = began
	}
	if n := len(f.rounds); len(p.records) == 0 && n > 0 && len(f.rounds[n-1].Records) == 0 {
		f.rounds = f.rounds[:n-1] // an empty round says no more than the newer one
	}
	records := p.records
	if n := len(f.rounds); n > 0 && len(records) > 0 && len(f.rounds[n-1].Records)+len(records) <= maxRound {
		last := f.rounds[n-1] // not read yet: a slow reader gets few large rounds, not many small ones
		f.rounds, f.ahead = f.rounds[:n-1], f.ahead-weight(last.Records)
		records = append(last.Records, records...)
	}
	for {
		n := min(len(records), maxRound)
		round := stream.Round{Records: records[:n:n], High: p.high, Began: began}
		f.rounds = append(f.rounds, round)
		f.ahead += weight(round.Records)
		if records = records[n:]; len(records) == 0 {
			break
		}
	}
	f.tell()
}

// end makes every later Next give an error, once the rounds before it are read.
func (f *Follower) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.tell()
}

// tell wakes Next.
func (f *Follower) tell() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

func (f *Follower) roomy() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ahead < maxAhead
}

func weight(records []stream.Record) int {
	size := 0
	for _, r := range records {
		size += len(r.Key) + len(r.Value) + 64
	}
	return size
}
