package app

import (
	"context"
	"time"

	"optgate/configs"
	"optgate/gateway/api"
	"optgate/gateway/httpd"
	"optgate/gateway/ingress"
	"optgate/gateway/meta"
	"optgate/gateway/store"
	"optgate/pipeline/access"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// colleagues is how many connections the private listener takes, which are files that the public one has not.
const colleagues = 2048

// listen opens the listeners, the private one first: whoever is told of webhooks can already see what becomes of them.
func (a *App) listen() error {
	health := a.health()
	private := api.New(api.Options{
		Tokens: a.apiTokens(), Made: soundTokens{a}, Audits: a.store, Directory: a.directory, Shards: a.shards, Publisher: measured{soundly{a}, a, configs.RoleConsole, nil}, Accounts: a.store, States: a.store,
		Entries: a.store, Members: a.store, Contacts: a.store, Segments: a.store, Imports: a.store, Sequences: a.store, Audiences: a.store, Answers: a.store, Topics: a.bus, Windows: ratelimit.NewSteady(soundWindows{a, a.store.Windows(ratelimit.StartAfresh)}), Calls: a.config.Limits.APIPerMinute, Pushes: a.config.Limits.PushPerMinute,
		Follow: func(topic stream.Topic, partition int, from int64) api.Follower {
			return a.bus.Follow(topic, partition, from)
		},
		CheckURL: a.checkURL, Feed: api.FeedOptions{Deliveries: a.store, Try: a.courier.Try},
		Templates: a.templates, Media: api.MediaOptions{Files: a.media, Lists: a.store},
		BaseURL: a.config.Public.BaseURL, Metrics: a.metrics.Write, Health: health, Profiles: a.config.Private.Pprof, Log: a.log,
		Broadcast: api.BroadcastOptions{
			Broadcasts: a.store, Rows: a.store, Singles: a.store, Media: a.media, Gate: a.store, Explain: a.store.Explain, DryRun: broadcast.DryRun{
				Shards: a.shards, Gate: a.store, States: a.store, Segments: segments{a.store}, Served: a.store.InService, Conditions: a.store, Left: a.left,
			},
		},
		Channels: api.ChannelOptions{Conditions: a.store, Tiers: a.store, Pace: a.store, Service: a.store},
		Kept:     api.KeptOptions{Since: a.bus.Since, Decode: meta.Decode, Salvage: meta.Salvage},
	})
	server, err := httpd.Listen(httpd.Options{
		Key: "private.listen", Listen: a.config.Private.Listen, Handler: private.Handle, Vital: httpd.AsksHealth,
		Connections: colleagues, Log: a.log})
	if err != nil {
		return err
	}
	a.Private = server.Addr()
	a.serve("private listener", server)
	if !a.plays(configs.RoleIngress) {
		return nil
	}
	public := ingress.New(ingress.Options{
		Apps: a.apps(), Publisher: a.webhooks(), Metrics: a.metrics, Health: health, MaxBody: a.config.Limits.WebhookBytes,
		InFlight: a.config.Limits.WebhookMemory, Log: a.log, Unsubscribe: a.unsubscribe()})
	server, err = httpd.Listen(httpd.Options{
		Key: "public.listen", Listen: a.config.Public.Listen, Handler: public.Handle, Admit: public.Admit, Refused: public.Refused,
		Vital: httpd.AsksHealth, Log: a.log})
	if err != nil {
		return err
	}
	a.Public = server.Addr()
	a.serve("public listener", server)
	return nil
}

// serve starts a listener. One that is stopped before it began to serve gives its address back all the same.
func (a *App) serve(name string, server *httpd.Server) {
	a.crew.onStop(a.ended(name, server.Close))
	a.crew.work(name, server.Run)
}

// soundly publishes only while all is well: what Kafka would take in another state might be in nobody's view.
type soundly struct{ a *App }

func (s soundly) Publish(ctx context.Context, records ...*stream.Record) error {
	if err := s.a.trouble(); err != nil {
		return err
	}
	return s.a.bus.Publish(ctx, records...)
}

// soundWindows counts calls over the fleet only while all is well: a Redis that may be another installation's is not touched.
type soundWindows struct {
	a       *App
	windows *store.Windows
}

func (s soundWindows) Take(ctx context.Context, key string, limit int, period time.Duration) (ratelimit.Decision, error) {
	if err := s.a.trouble(); err != nil {
		return ratelimit.Decision{}, err
	}
	return s.windows.Take(ctx, key, limit, period)
}

// soundTokens knows tokens that were made by API where that is this process's role, and only while all is well: a Redis that
// may be another installation's lets nobody in here.
type soundTokens struct{ a *App }

func (s soundTokens) Tokens(ctx context.Context, account string, since time.Time) (access.Tokens, error) {
	if !s.a.plays(configs.RoleConsole) {
		return access.Tokens{}, nil
	}
	if err := s.a.trouble(); err != nil {
		return access.Tokens{}, err
	}
	return s.a.store.Tokens(ctx, account, since)
}

func (a *App) apps() []ingress.App {
	apps := make([]ingress.App, 0, len(a.config.Meta.Apps))
	for _, app := range a.config.Meta.Apps {
		one := ingress.App{ID: app.ID, VerifyToken: app.VerifyToken.Reveal()}
		for _, secret := range app.Secrets {
			one.Secrets = append(one.Secrets, []byte(secret.Reveal()))
		}
		apps = append(apps, one)
	}
	return apps
}

// apiTokens gives who may call the API: nobody where it is not this process's role, save operators where they may profile it.
func (a *App) apiTokens() (tokens []api.Token) {
	if a.plays(configs.RoleConsole) {
		for _, account := range a.config.Accounts {
			for _, t := range account.Tokens {
				tokens = append(tokens, api.Token{Account: account.ID, Name: t.Name, Token: t.Token.Reveal(), Scopes: t.Scopes})
			}
		}
	} else if !a.config.Private.Pprof {
		return nil
	}
	for _, t := range a.config.Operator.Tokens {
		tokens = append(tokens, api.Token{Name: t.Name, Token: t.Token.Reveal()})
	}
	return tokens
}

// health says of each role that runs here whether it can work.
func (a *App) health() (roles httpd.Health) {
	ready := map[string]func(ctx context.Context) error{
		configs.RoleIngress:  func(context.Context) error { return a.watch.kafka() },
		configs.RolePipeline: a.ownedAreCertain,
		configs.RoleSender:   a.allAreCertain,
		configs.RoleConsole:  a.allAreCertain,
	}
	for _, role := range a.config.Roles {
		roles = append(roles, httpd.Role{Name: role, Ready: func(ctx context.Context) error {
			if err := a.trouble(); err != nil {
				return err
			}
			return ready[role](ctx)
		}})
	}
	return roles
}

func (a *App) ownedAreCertain(ctx context.Context) error {
	if !a.owners.assigned() {
		return fault.New(fault.Unavailable, "unassigned", "No shards are assigned to this process yet.")
	}
	return a.certain(ctx, a.owners.keys())
}

func (a *App) allAreCertain(ctx context.Context) error { return a.certain(ctx, a.allShards()) }

func (a *App) allShards() []int {
	all := make([]int, a.shards)
	for i := range all {
		all[i] = i
	}
	return all
}

func (a *App) certain(ctx context.Context, shards []int) error {
	missing := 0
	for _, certain := range a.store.Certain(ctx, shards) {
		if !certain {
			missing++
		}
	}
	if missing > 0 {
		return fault.New(fault.NotCertain, "not_certain", "%d of %d shards are not up to date.", missing, len(shards))
	}
	return nil
}

const awaitEvery = 20 * time.Millisecond

// await waits until every role that runs here is ready.
func (a *App) await(ctx context.Context) error {
	for _, role := range a.health() {
		for {
			err := role.Ready(ctx)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(awaitEvery):
			}
		}
	}
	return nil
}
