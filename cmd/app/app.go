// Package app is the program as a value: main, tests, demo and bench boot the same one. It introduces doors and rules to each
// other and decides nothing itself.
package app

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/rs/zerolog"

	"optgate/configs"
	"optgate/gateway/bus"
	"optgate/gateway/meta"
	"optgate/gateway/metrics"
	"optgate/gateway/store"
	"optgate/gateway/webcall"
	"optgate/pipeline/chat"
	"optgate/pipeline/feed"
	"optgate/pipeline/media"
	"optgate/pipeline/template"
)

// Options are what a program is made of.
type Options struct {
	Config  configs.Config // valid, as configs.Load gives it
	Log     zerolog.Logger // JSON lines
	Version string         // for /metrics
}

// App is a running gateway.
type App struct {
	Public  string // host:port of the public listener as it was bound; "" where no role needs it
	Private string // host:port of the private one
	Kafka   string // host:port of the embedded Kafka, for tools as kcat; "" where it is not embedded

	config    configs.Config
	log       zerolog.Logger
	crew      crew
	shards    chat.Shards
	directory *chat.Directory
	metrics   *metrics.Metrics
	bus       *bus.Bus
	store     *store.Store
	graph     *meta.Graph
	webcall   *webcall.Caller
	courier   *feed.Courier
	templates *template.Library
	media     *media.Library
	owners    *roster[int]
	watch     watch

	installation string                // as Kafka and Redis know it, once they are settled
	unsound      atomic.Pointer[error] // why nothing may be kept, decided or sent; nil: all is well
}

// Start boots a gateway and returns when it can serve, or an error that says what to do. ctx bounds the start alone. While
// Kafka or Redis are away, or what they hold doesn't fit together, it waits: its listeners answer and say that it is not
// ready, and why.
func Start(ctx context.Context, o Options) (*App, error) {
	a := &App{
		config: o.Config, log: o.Log, crew: crew{log: o.Log}, shards: chat.Shards(o.Config.Shards),
		directory: directory(o.Config), metrics: metrics.New(o.Version),
	}
	a.owners = a.newOwners()
	a.fail(errStarting)
	if err := a.start(ctx); err != nil {
		a.Stop()
		return nil, err
	}
	return a, nil
}

// start is the whole wiring, from what stands on nothing to what stands on everything. Each part registers its own end.
func (a *App) start(ctx context.Context) error {
	if err := a.openServers(); err != nil { // Kafka and Redis, or their embedded kinds
		return err
	}
	a.openWebcall()                    // customers' own addresses
	a.openGraph()                      // Meta
	if err := a.listen(); err != nil { // from now on /readyz tells why we are not ready
		return err
	}
	if err := a.settle(ctx); err != nil { // one installation, sound and ours
		return err
	}
	a.watchOver()
	if a.plays(configs.RolePipeline) {
		a.own()    // shards and their broadcasts
		a.handle() // what ingress kept
	}
	if a.plays(configs.RoleSender) {
		a.send() // lanes
	}
	if a.plays(configs.RolePipeline) || a.plays(configs.RoleConsole) {
		if err := a.declare(ctx); err != nil { // what the configuration says of accounts
			return err
		}
	}
	a.sound()
	return a.await(ctx)
}

// Stop drains and ends everything, the last started first. It returns when nothing runs any more.
func (a *App) Stop() {
	a.fail(errStopping)
	a.crew.stop()
}

func (a *App) plays(role string) bool { return slices.Contains(a.config.Roles, role) }

// directory gives the declared channels.
func directory(c configs.Config) *chat.Directory {
	var accounts []string
	var channels []chat.Channel
	for _, account := range c.Accounts {
		accounts = append(accounts, account.ID)
		for _, channel := range account.Channels {
			channels = append(channels, chat.Channel{
				Account: account.ID, ID: channel.ID, Kind: channel.Kind, NumberID: channel.NumberID(),
				Business: channel.WABAID, DefaultCountry: channel.DefaultCountry, Rate: channel.MessagesPerSecond,
				Portfolio: cmp.Or(channel.Portfolio, channel.WABAID),
			})
		}
	}
	return chat.NewDirectory(accounts, channels)
}

// tokens gives what Graph is called with for a channel.
func (a *App) tokens() meta.Tokens {
	type access struct{ number, token string }
	known := map[[2]string]access{}
	for _, account := range a.config.Accounts {
		for _, channel := range account.Channels {
			if !channel.AccessToken.Empty() {
				known[[2]string{account.ID, channel.ID}] = access{channel.NumberID(), channel.AccessToken.Reveal()}
			}
		}
	}
	return func(account, channel string) (numberID, token string, ok bool) {
		c, ok := known[[2]string{account, channel}]
		return c.number, c.token, ok
	}
}
