package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"optgate/configs"
	"optgate/gateway/bus"
	"optgate/gateway/embedded"
	"optgate/gateway/store"
	"optgate/pipeline/fault"
)

// openServers opens Kafka and Redis. Nothing but the embedded kinds is spoken to yet.
func (a *App) openServers() error {
	kafka, redis := a.config.Kafka, a.config.Redis
	if kafka.Embedded() || redis.Embedded() {
		e, err := embedded.Start(embedded.Options{Dir: filepath.Clean(a.config.DataDir), Sync: kafka.EmbeddedSync})
		if errors.Is(err, embedded.ErrFormat) {
			return fault.Wrap(err, fault.Invalid, "data_format",
				"data_dir was written by another version of Optgate: run that version, or name another data_dir")
		}
		if err != nil {
			return err
		}
		a.crew.onStop(a.ended("embedded servers", e.Close))
		a.log.Info().Str("kafka", e.Kafka).Str("redis", e.Redis).Msg("embedded servers")
		if kafka.Embedded() {
			a.Kafka, kafka.Brokers, kafka.SingleCopy = e.Kafka, []string{e.Kafka}, configs.Accepted
		}
		if redis.Embedded() {
			redis.Addresses = []string{e.Redis}
		}
	}
	kafkaTLS, err := kafka.TLS.Client()
	if err != nil {
		return fmt.Errorf("kafka.tls: %w", err)
	}
	redisTLS, err := redis.TLS.Client()
	if err != nil {
		return fmt.Errorf("redis.tls: %w", err)
	}
	a.bus, err = bus.Open(bus.Config{
		Brokers: kafka.Brokers, Prefix: a.config.Prefix, Shards: a.shards, SingleCopy: kafka.SingleCopy == configs.Accepted,
		TLS: kafkaTLS, SASL: bus.SASL{Mechanism: strings.ToUpper(kafka.SASL.Mechanism), Username: kafka.SASL.Username, Password: kafka.SASL.Password.Reveal()},
	}, a.log)
	if err != nil {
		return err
	}
	a.crew.onStop(a.ended("Kafka", a.bus.Close))
	a.store = store.Open(store.Config{
		Addresses: redis.Addresses, Master: redis.Master, Username: redis.Username, Password: redis.Password.Reveal(),
		TLS: redisTLS, Prefix: a.config.Prefix, Shards: a.shards,
	})
	a.crew.onStop(a.ended("Redis", a.store.Close))
	return nil
}

// ended makes a step of the crew from something that may fail to close.
func (a *App) ended(what string, end func() error) func() {
	return func() {
		if err := end(); err != nil {
			a.log.Warn().Err(err).Msg(what + " closed badly")
		}
	}
}

const settleEvery = 2 * time.Second

// settle waits until Kafka and Redis can be relied on and belong to one installation, which is made where both are empty.
func (a *App) settle(ctx context.Context) error {
	for {
		err := a.bootstrap(ctx)
		if err == nil {
			return nil
		}
		a.fail(err)
		a.log.Error().Err(err).Msg("not ready")
		select {
		case <-ctx.Done():
			return err
		case <-time.After(settleEvery):
		}
	}
}

func (a *App) bootstrap(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := a.store.Check(ctx); err != nil {
		return err
	}
	known, err := a.store.Installation(ctx)
	if err != nil {
		return err
	}
	id, err := a.bus.Bootstrap(ctx, rand.Text(), known)
	if err != nil {
		return err
	}
	if err := a.bus.Verify(ctx); err != nil {
		return err
	}
	a.installation = id
	return a.store.SetInstallation(ctx, id)
}

var (
	errStarting = fault.New(fault.Unavailable, "starting", "The gateway is starting.")
	errStopping = fault.New(fault.Unavailable, "stopping", "The gateway is stopping.")
	errLost     = fault.New(fault.Unavailable, "lost", "Kafka does not hold what it must: see the log. A human must decide.")
)

// fail says that nothing may be kept, decided or sent, and why.
func (a *App) fail(err error) { a.unsound.Store(&err) }

// sound says that all is well again, unless something was lost: that stays until a restart.
func (a *App) sound() {
	for why := a.unsound.Load(); why != nil && !errors.Is(*why, errLost); why = a.unsound.Load() {
		if a.unsound.CompareAndSwap(why, nil) {
			return
		}
	}
}

// trouble gives why nothing may be kept, decided or sent; nil: it may.
func (a *App) trouble() error {
	if err := a.unsound.Load(); err != nil {
		if f, ok := errors.AsType[*fault.Error](*err); ok {
			return f
		}
		return fault.Wrap(*err, fault.Unavailable, "unsound", "Kafka and Redis don't fit together: see the log. A human must decide.")
	}
	return nil
}
