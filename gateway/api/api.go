// Package api is the private listener: JSON over HTTP with Bearer tokens. It reads requests, asks the rooms behind its
// small interfaces, and writes answers; it decides nothing about people. routes.go shows every URL.
package api

import (
	"cmp"
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/httpd"
	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// Options is all that the API stands on.
type Options struct {
	Tokens    []Token          // of accounts and of operators
	Directory *chat.Directory  // the declared accounts and channels
	Shards    chat.Shards      // of this installation
	Publisher stream.Publisher // appends commands
	Accounts  accounts
	States    states
	Entries   entries
	Members   members
	Contacts  contacts
	Segments  segments
	CheckURL  func(url string) error // refuses a webhook URL that leads to a private network; nil: only its form counts
	Made      madeTokens             // tokens that were made by API
	Audits    audits
	Imports   importReader
	Audiences audiences
	Sequences sequences
	Answers   answers
	Topics    topics
	Follow    func(topic stream.Topic, partition int, from int64) Follower
	Windows   windows
	Calls     int                     // of a token in a minute, over the whole fleet: 600
	Pushes    int                     // of an account in a minute, over the whole fleet: 90
	BaseURL   string                  // of the public listener, as the world sees it; "": there are no links
	Metrics   func(w io.Writer) error // writes them in Prometheus's text format
	Health    httpd.Health            // of the roles that run here
	Profiles  bool                    // operators may profile this process
	Now       func() time.Time        // nil: time.Now
	Log       zerolog.Logger
	Templates templates        // what Meta has approved; nil: nobody knows
	Media     MediaOptions     // what media.go needs besides
	Channels  ChannelOptions   // what channels.go needs besides
	Broadcast BroadcastOptions // what broadcasts.go needs besides
	Feed      FeedOptions      // what deliveries.go needs besides
	Kept      KeptOptions      // what ledger.go, replays and tail need besides
}

// accounts gives accounts' definitions; a fault.NotFound where there is none.
type accounts interface {
	Account(ctx context.Context, id string) (optout.Account, error)
}

// states reads states of a shard: nil where there is none, fault.NotCertain where nobody can know.
type states interface {
	States(ctx context.Context, shard int, keys ...string) ([][]byte, error)
}

// entries pages through the people on a list. after and next are cursors, "" for the beginning and the end.
type entries interface {
	Entries(ctx context.Context, account, list string, search optout.Search, after string, limit int) (page []optout.Listed, next string, err error)
}

// answers tells what the fold of a command said, once its shard has come past the command's offset; ok is false before.
type answers interface {
	Answer(ctx context.Context, shard int, offset int64, command string) (answer *shard.Answer, ok bool, err error)
}

// topics reads what is kept.
type topics interface {
	Partitions(topic stream.Topic) int // 0: there is no such topic
	Ends(ctx context.Context, topic stream.Topic, partition int) (first, end int64, err error)
	Read(ctx context.Context, topic stream.Topic, partition int, from, to int64, each func(stream.Record) error) error
	At(ctx context.Context, topic stream.Topic, partition int, offset int64) (stream.Record, error)
}

// Follower reads a partition on and on.
type Follower interface {
	Next(ctx context.Context) (stream.Round, error)
	Close()
}

// windows counts calls.
type windows interface {
	Take(ctx context.Context, key string, limit int, period time.Duration) (ratelimit.Decision, error)
}

// API answers the private listener's requests; its Handle is an httpd.Handler.
type API struct {
	Options
	routes      []route
	tokens      []known
	inHand      atomic.Int64 // bytes of bodies
	importing   importing
	uploading   importing
	downloading importing
	late        lateFacts
	watching    watching

	replays atomic.Int32  // of keywords, on their way
	proving chan struct{} // holds one element while a partition of the ledger is verified
}

// New makes an API.
func New(o Options) *API {
	a := &API{Options: o, proving: make(chan struct{}, 1),
		importing: importing{most: importsAll, ofOne: importsOfOne}, uploading: importing{most: mediaAll, ofOne: mediaOfOne},
		downloading: importing{most: mediaOut, ofOne: mediaOutTo}}
	a.Calls, a.Pushes = cmp.Or(a.Calls, 600), cmp.Or(a.Pushes, 90)
	if a.Now == nil {
		a.Now = time.Now
	}
	for _, t := range o.Tokens {
		a.tokens = append(a.tokens, hashed(t))
	}
	a.routes = a.table()
	return a
}
