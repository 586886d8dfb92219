// Package store is the door to Redis: the view of each shard, written by its owner alone; the gate's question; what the
// API and the pipeline read; and the windows of limits. Nothing in it is the truth: all of it can be folded again from
// Kafka, or is regained by itself.
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// Config says where Redis is. Several addresses are the nodes of a Cluster or, where a master is named, Sentinels.
type Config struct {
	Addresses []string
	Master    string
	Username  string
	Password  string
	TLS       *tls.Config
	Prefix    string // of every key, as "optgate."
	Shards    chat.Shards
}

// Store speaks to one Redis, Valkey or Redis Cluster.
type Store struct {
	rdb    redis.UniversalClient
	asks   redis.UniversalClient // follows no redirect and repeats nothing: a sandwich answered in two places is no answer
	prefix string
	shards chat.Shards
	tags   []string

	mu       sync.Mutex
	accounts map[string]cachedAccount

	tokens     tokenCache
	conditions conditionCache
	trimmed    trims
}

// Pools are large enough for every worker of a process to wait at once.
const poolSize = 128

// Open makes a store. It connects when first used.
func Open(cfg Config) *Store {
	options := func() *redis.UniversalOptions {
		return &redis.UniversalOptions{
			Addrs: cfg.Addresses, MasterName: cfg.Master, Username: cfg.Username, Password: cfg.Password, TLSConfig: cfg.TLS,
			PoolSize: poolSize, ContextTimeoutEnabled: true,
			DialTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
			MinRetryBackoff: 20 * time.Millisecond, MaxRetryBackoff: 200 * time.Millisecond,
		}
	}
	asking := options()
	asking.MaxRetries, asking.MaxRedirects = -1, -1
	asking.ReadTimeout, asking.WriteTimeout = time.Second, time.Second
	return &Store{
		rdb: redis.NewUniversalClient(options()), asks: redis.NewUniversalClient(asking),
		prefix: cfg.Prefix, shards: cfg.Shards, tags: tags(cfg.Shards), accounts: map[string]cachedAccount{},
	}
}

// Close ends all connections.
func (s *Store) Close() error { return errors.Join(s.rdb.Close(), s.asks.Close()) }

// Check asks whether Redis can be relied on: reachable, and not told to evict what we keep. A server that doesn't tell its
// policy is taken at its word.
func (s *Store) Check(ctx context.Context) error {
	if err := s.rdb.Ping(ctx).Err(); err != nil {
		return fault.Wrap(err, fault.Unavailable, "redis_away", "Redis can't be reached: check redis.addresses")
	}
	info, err := s.rdb.Info(ctx, "memory").Result()
	if err != nil {
		return nil //nolint:nilerr // embedded Redis has no INFO memory and evicts nothing
	}
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok && policy != "noeviction" {
			return fault.New(fault.Unavailable, "redis_evicts",
				"Redis evicts keys (maxmemory-policy %s): set maxmemory-policy noeviction", policy)
		}
	}
	return nil
}

// Installation gives the id of the installation whose views this Redis holds, "" where it holds none.
func (s *Store) Installation(ctx context.Context) (string, error) {
	id, err := s.rdb.Get(ctx, s.key(0, keyInstallation)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the installation: %w", err)
	}
	return id, nil
}

// SetInstallation notes the installation whose views this Redis holds.
func (s *Store) SetInstallation(ctx context.Context, id string) error {
	if err := s.rdb.Set(ctx, s.key(0, keyInstallation), id, 0).Err(); err != nil {
		return fmt.Errorf("note the installation: %w", err)
	}
	return nil
}

// KeepInstallation notes the installation where Redis knows none any more.
func (s *Store) KeepInstallation(ctx context.Context, id string) error {
	if err := s.rdb.SetNX(ctx, s.key(0, keyInstallation), id, 0).Err(); err != nil {
		return fmt.Errorf("keep the installation: %w", err)
	}
	return nil
}

func uncertain(err error) error {
	return fault.Wrap(err, fault.NotCertain, "not_certain",
		"The opt-out lists can't be read with certainty just now; nothing is sent meanwhile. Try again.")
}
