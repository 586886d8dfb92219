package media

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/outbound"
	"optgate/pipeline/stream"
)

// Library finds files, and has Meta know them. It is for any number of goroutines.
type Library struct {
	Shards    chat.Shards
	Directory *chat.Directory
	States    states
	Publisher stream.Publisher
	Chunks    chunks
	Graph     graph
	Now       func() time.Time // nil: time.Now
	Logger    zerolog.Logger

	mu     sync.Mutex
	turns  map[string]chan struct{} // of uploads on their way: closed at their end
	stops  map[string]context.CancelFunc
	recent map[string]outcome
	closed bool
	work   sync.WaitGroup
}

// states reads states of a shard: nil where there is none, fault.NotCertain where nobody can know.
type states interface {
	States(ctx context.Context, shard int, keys ...string) ([][]byte, error)
}

// graph gives files to Meta.
type graph interface {
	// UploadMedia uploads a file for a channel's number: write writes its bytes, which are size many.
	UploadMedia(ctx context.Context, account, channel, mime, name string, size int64, write func(context.Context, io.Writer) error) (id string, err error)
}

// outcome is what an upload came to, remembered until the shard has decided it or it may be tried again.
type outcome struct {
	upload Upload
	err    error
	until  time.Time
}

// How long an upload's outcome is remembered.
const (
	knownFor   = time.Minute      // Meta's id, which the state shows long before
	awayFor    = 5 * time.Second  // that Meta could not be asked
	refusedFor = 10 * time.Minute // that Meta will not have it
	mostRecent = 1000
)

// uploadTime bounds one upload.
const uploadTime = 10 * time.Minute

// Get gives a file; nil where there is none, fault.NotCertain where nobody can know.
func (l *Library) Get(ctx context.Context, account, id string) (*Media, error) {
	found, err := l.States.States(ctx, l.Shards.Account(account), Key(account, id))
	if err != nil || found[0] == nil {
		return nil, err
	}
	m := &Media{}
	if err := json.Unmarshal(found[0], m); err != nil {
		return nil, fmt.Errorf("read a file of the library: %w", err)
	}
	return m, nil
}

// Resolve gives Meta's id of a file for a channel's number. It uploads the file where Meta has none, or none that is good for
// another day; however many ask for it at once, this process uploads it once, and goes on with that when they give up. The error
// says whether to ask again: a fault.NotFound (NotFound is the word for reports) and a fault.Unprocessable stay, every other may
// pass.
func (l *Library) Resolve(ctx context.Context, account, channel, id string) (metaID string, err error) {
	of, ok := l.Directory.Channel(account, channel)
	if !ok {
		return "", fault.New(fault.Unprocessable, "unknown_channel", "The channel is not declared, so that no file can be uploaded for it.")
	}
	key := account + "/" + channel + "/" + id
	for {
		m, err := l.Get(ctx, account, id)
		if err != nil {
			return "", err
		}
		if m == nil {
			return "", fault.New(fault.NotFound, CodeNotFound, NotFound)
		}
		if metaID, ok := m.Good(channel, of.NumberID, l.now()); ok {
			return metaID, nil
		}
		done, mine, known := l.turn(key, m.Blob)
		switch {
		case known != nil:
			return known.upload.ID, known.err
		case mine:
			l.begin(ctx, key, *m, of, done)
		}
		select {
		case <-done:
		case <-ctx.Done():
			return "", fault.Wrap(ctx.Err(), fault.Unavailable, "graph_away", "The file is being given to Meta still. Try again in a while.")
		}
	}
}

// turn gives what came of the last upload, or whose turn it is: mine, or another's until done is closed.
func (l *Library) turn(key, blob string) (done chan struct{}, mine bool, known *outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, false, &outcome{err: fault.New(fault.Unavailable, "stopping", "This process is about to end. Try again.")}
	}
	if o, ok := l.recent[key+"/"+blob]; ok && l.now().Before(o.until) {
		return nil, false, &o
	}
	if done, ok := l.turns[key]; ok {
		return done, false, nil
	}
	if l.turns == nil {
		l.turns, l.stops, l.recent = map[string]chan struct{}{}, map[string]context.CancelFunc{}, map[string]outcome{}
	}
	done = make(chan struct{})
	l.turns[key] = done
	return done, true, nil
}

// begin uploads a file, whoever waits for it: one that takes longer than a call may last is there for the next.
func (l *Library) begin(ctx context.Context, key string, m Media, of chat.Channel, done chan struct{}) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), uploadTime)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stops[key] = stop
	if l.closed {
		stop()
	}
	l.work.Go(func() {
		defer l.end(key, done)
		l.upload(ctx, key, m, of)
	})
}

// upload uploads a file, and tells its shard of it.
func (l *Library) upload(ctx context.Context, key string, m Media, of chat.Channel) {
	began := l.now()
	id, err := l.Graph.UploadMedia(ctx, of.Account, of.ID, m.MIME, m.name(), m.Size, func(ctx context.Context, to io.Writer) error {
		return m.Read(ctx, l.Chunks, to)
	})
	stopped := errors.Is(ctx.Err(), context.Canceled)
	err = classified(err)
	o := outcome{Upload{Number: of.NumberID, ID: id, At: began.UnixMilli()}, err, l.now().Add(rememberedFor(err))}
	if err == nil {
		l.tell(ctx, m, of.ID, o.upload)
	} else if !stopped {
		l.Logger.Warn().Err(err).Str("account", of.Account).Str("channel", of.ID).Msg("a file could not be uploaded to meta")
	}
	if err == nil || !stopped {
		l.remember(key+"/"+m.Blob, o)
	}
}

// end lets the next one have its turn.
func (l *Library) end(key string, done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stops[key]()
	delete(l.stops, key)
	delete(l.turns, key)
	close(done)
}

// Close breaks off the uploads on their way, and waits for their end.
func (l *Library) Close() {
	l.mu.Lock()
	l.closed = true
	for _, stop := range l.stops {
		stop()
	}
	l.mu.Unlock()
	l.work.Wait()
}

// tell tells the shard. What is lost here costs one more upload.
func (l *Library) tell(ctx context.Context, m Media, channel string, u Upload) {
	record, err := l.uploaded(rand.Text(), m, channel, u)
	if err == nil {
		err = l.Publisher.Publish(context.WithoutCancel(ctx), record)
	}
	if err != nil {
		l.Logger.Warn().Err(err).Msg("that a file was uploaded could not be kept: it will be uploaded again")
	}
}

func (l *Library) remember(key string, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) >= mostRecent {
		for old, of := range l.recent {
			if !l.now().Before(of.until) || len(l.recent) >= mostRecent {
				delete(l.recent, old)
			}
		}
	}
	l.recent[key] = o
}

func rememberedFor(err error) time.Duration {
	switch {
	case err == nil:
		return knownFor
	case fault.KindOf(err) == fault.Unprocessable:
		return refusedFor
	}
	return awayFor
}

// classified says of an upload's failure whether it stays.
func classified(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*outbound.Refusal](err); ok && r.Advice == outbound.Fail {
		return fault.Wrap(err, fault.Unprocessable, "media_refused", fmt.Sprintf("Meta does not take the file: %d %s.", r.Code, r.Title))
	}
	return fault.Wrap(err, fault.Unavailable, "graph_away", "The file could not be given to Meta just now.")
}

// name is what Meta is told that the file is called: it shows to nobody, but has to be there.
func (m Media) name() string {
	if m.Name != "" {
		return m.Name
	}
	return string(m.Kind)
}

func (l *Library) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}
