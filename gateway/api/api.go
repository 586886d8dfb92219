// Package api is the private listener: JSON over HTTP with Bearer tokens. It reads requests, asks the rooms behind its
// small interfaces, and writes answers; it decides nothing about people. routes.go shows every URL.
package api

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/httpd"
	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Options is all that the API stands on.
type Options struct {
	Tokens    []Token          // of accounts and of operators
	Directory *chat.Directory  // the declared accounts and channels
	Shards    chat.Shards      // of this installation
	Publisher stream.Publisher // appends commands
	Accounts  accounts         // their definitions
	States    states           // what owners have decided
	Answers   answers          // to commands
	Health    httpd.Health     // of the roles that run here
	Now       func() time.Time // nil: time.Now
	Log       zerolog.Logger   // one line for each request
	Broadcast BroadcastOptions // what broadcasts.go needs besides
}

// accounts gives accounts' definitions; a fault.NotFound where there is none.
type accounts interface {
	Account(ctx context.Context, id string) (optout.Account, error)
}

// states reads states of a shard: nil where there is none, fault.NotCertain where nobody can know.
type states interface {
	States(ctx context.Context, shard int, keys ...string) ([][]byte, error)
}

// answers tells what the fold of a command said, once its shard has come past the command's offset; ok is false before.
type answers interface {
	Answer(ctx context.Context, shard int, offset int64, command string) (answer *shard.Answer, ok bool, err error)
}

// API answers the private listener's requests; its Handle is an httpd.Handler.
type API struct {
	Options
	routes []route
	tokens []known
}

// New makes an API.
func New(o Options) *API {
	a := &API{Options: o}
	if a.Now == nil {
		a.Now = time.Now
	}
	for _, t := range o.Tokens {
		a.tokens = append(a.tokens, hashed(t))
	}
	a.routes = a.table()
	return a
}
