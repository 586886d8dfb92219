package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/api"
	"optgate/gateway/api/apitest"
	"optgate/gateway/httpd"
	"optgate/pipeline/access"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/feed"
	"optgate/pipeline/imports"
	"optgate/pipeline/media"
	"optgate/pipeline/optout"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

const shards = chat.Shards(2)

// rules are what the worlds of these tests decide by.
var rules = shard.Join(optout.Rules(), broadcast.Rules(), broadcast.AudienceRules(), imports.Rules(), access.Rules(), feed.Rules(), media.Rules(), sequence.Rules())

// now is the moment of every test.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is what the API stands on, in memory: logs, and the states that the rules of consent fold from commands.
type world struct {
	mu     sync.Mutex
	logs   map[stream.Topic][][]stream.Record
	states []map[string][]byte
	grown  chan struct{} // closed and replaced when a log grows
	failed error         // what reading states answers, if anything
	held   bool          // commands are kept and not decided
	late   int           // reads of states that come before what decisions cause is decided
	behind []stream.Record
	calls  int   // of windows
	left   error // what counting calls answers, if anything
	log    lockedBuffer
	url    string
	client http.Client
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newWorld serves an API on a port of its own. Accounts: acme (channels wa and page) and globex (channel wb).
func newWorld(t *testing.T, with func(*api.Options)) *world {
	t.Helper()
	w := emptyWorld()
	o := w.options()
	if with != nil {
		with(&o)
	}
	server, err := httpd.Listen(httpd.Options{Listen: "127.0.0.1:0", Handler: api.New(o).Handle, Log: o.Log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	w.url, w.client.Transport = "http://"+server.Addr(), apitest.NewTransport(t)
	return w
}

func emptyWorld() *world {
	w := &world{logs: map[stream.Topic][][]stream.Record{}, grown: make(chan struct{})}
	for range shards {
		w.states = append(w.states, map[string][]byte{})
	}
	w.found("acme", optout.List{ID: "news", Name: "News", Channels: []string{"wa"}, Scope: optout.ScopeAll})
	w.found("globex")
	for _, topic := range []stream.Topic{stream.Inbound, stream.Commands, stream.State, stream.Consent, stream.Outcomes, stream.Dead} {
		w.logs[topic] = make([][]stream.Record, shards)
	}
	return w
}

func (w *world) options() api.Options {
	return api.Options{
		Tokens: []api.Token{
			{Account: "acme", Name: "all", Token: "acme-admin", Scopes: []string{"admin"}},
			{Account: "acme", Name: "reader", Token: "acme-read", Scopes: []string{"read"}},
			{Account: "acme", Name: "lister", Token: "acme-lists", Scopes: []string{"read", "lists"}},
			{Account: "globex", Name: "all", Token: "globex-admin", Scopes: []string{"admin"}},
			{Account: "nobody", Name: "all", Token: "nobody-admin", Scopes: []string{"admin"}},
			{Name: "root", Token: "operator"},
		},
		Directory: chat.NewDirectory([]string{"acme", "globex"}, []chat.Channel{
			{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "1", DefaultCountry: "GB"},
			{Account: "globex", ID: "wb", Kind: chat.WhatsApp, NumberID: "2", DefaultCountry: "GB"},
		}),
		Shards: shards, Publisher: w, Accounts: w, States: w, Entries: w, Members: w, Imports: w, Sequences: w, Made: w, Audits: w, Answers: w, Topics: w, Windows: w, Follow: w.follow, Broadcast: api.BroadcastOptions{Gate: w}, Kept: w.kept(), Feed: api.FeedOptions{Deliveries: w, Try: w.try},
		BaseURL: "https://gate.example.com/in/",
		Metrics: func(to io.Writer) error { _, err := io.WriteString(to, "optgate_shards 2\n"); return err },
		Health:  httpd.Health{{Name: "console", Ready: func(context.Context) error { return w.failed }}},
		Now:     func() time.Time { return now },
		Log:     zerolog.New(&w.log).Level(zerolog.DebugLevel),
	}
}

// Logs.

func (w *world) Publish(_ context.Context, records ...*stream.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		r.Partition = max(r.Partition, 0)
		log := &w.logs[r.Topic][r.Partition]
		r.Offset, r.Time = int64(len(*log)), now
		*log = append(*log, *r)
		if r.Topic == stream.Commands && !w.held {
			if err := w.fold(*r); err != nil {
				return err
			}
		}
	}
	close(w.grown)
	w.grown = make(chan struct{})
	return nil
}

// fold decides a command as its shard's owner would.
func (w *world) fold(r stream.Record) error {
	var c shard.Command
	if err := json.Unmarshal(r.Value, &c); err != nil {
		return err
	}
	rule := rules[c.Kind]
	place := shard.Place{Shards: shards, Shard: r.Partition, Offset: r.Offset}
	keys, err := rule.Keys(place, c)
	if err != nil {
		return err
	}
	loaded := map[string][]byte{}
	for _, k := range keys {
		loaded[k] = w.states[r.Partition][k]
	}
	end := len(w.logs[stream.Consent][r.Partition])
	turn := shard.NewTurn(place, loaded, func(string) int64 { end++; return int64(end - 1) })
	if err := rule.Apply(turn, c); err != nil {
		return err
	}
	states, rows, effects := turn.Said()
	for _, row := range rows {
		w.enter(row)
	}
	maps.Copy(w.states[r.Partition], states)
	for _, e := range effects {
		if w.late > 0 {
			w.behind = append(w.behind, *e)
		} else if err := w.effect(*e); err != nil {
			return err
		}
	}
	return nil
}

// caughtUp decides what is behind, once it was late enough.
func (w *world) caughtUp() (err error) {
	if len(w.behind) == 0 {
		return nil
	}
	if w.late--; w.late <= 0 {
		for _, e := range w.behind {
			err = errors.Join(err, w.effect(e))
		}
		w.behind = nil
	}
	return err
}

// effect decides what a decision makes others decide, at once; what goes to other topics, or to rooms that these tests lack,
// is left out.
func (w *world) effect(r stream.Record) error {
	var c shard.Command
	if r.Topic != stream.Commands {
		return nil
	}
	if err := json.Unmarshal(r.Value, &c); err != nil {
		return err
	}
	if _, known := rules[c.Kind]; !known {
		return nil
	}
	log := &w.logs[r.Topic][r.Partition]
	r.Offset, r.Time = int64(len(*log)), now
	*log = append(*log, r)
	return w.fold(r)
}

func (w *world) Partitions(topic stream.Topic) int { return len(w.logs[topic]) }

func (w *world) Ends(_ context.Context, topic stream.Topic, partition int) (first, end int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return 0, int64(len(w.logs[topic][partition])), nil
}

func (w *world) Read(_ context.Context, topic stream.Topic, partition int, from, to int64, each func(stream.Record) error) error {
	w.mu.Lock()
	records := w.logs[topic][partition][min(from, to):to]
	w.mu.Unlock()
	for _, r := range records {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) At(_ context.Context, topic stream.Topic, partition int, offset int64) (stream.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if offset >= int64(len(w.logs[topic][partition])) {
		return stream.Record{}, fmt.Errorf("at %d: %w", offset, stream.ErrTruncated)
	}
	return w.logs[topic][partition][offset], nil
}

type follower struct {
	w         *world
	topic     stream.Topic
	partition int
	next      int64
}

func (w *world) follow(topic stream.Topic, partition int, from int64) api.Follower {
	return &follower{w, topic, partition, from}
}

func (f *follower) Next(ctx context.Context) (stream.Round, error) {
	for {
		f.w.mu.Lock()
		log, grown := f.w.logs[f.topic][f.partition], f.w.grown
		f.w.mu.Unlock()
		if rest := log[f.next:]; len(rest) > 0 {
			f.next = int64(len(log))
			return stream.Round{Records: rest}, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return stream.Round{}, ctx.Err()
		}
	}
}

func (f *follower) Close() {}
