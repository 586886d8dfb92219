package store

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"optgate/pipeline/channel"
)

// conditionCache keeps the conditions of channels for cacheTime.
type conditionCache struct {
	mu    sync.Mutex
	known map[[2]string]cachedCondition
}

type cachedCondition struct {
	condition channel.Condition
	read      time.Time
}

// Condition gives what is known of a channel's condition, at most a second old; the zero Condition, with its names, of one that
// nothing was told of. Where the view may be behind it refuses with fault.NotCertain.
func (s *Store) Condition(ctx context.Context, account, id string) (channel.Condition, error) {
	at := [2]string{account, id}
	began := time.Now()
	s.conditions.mu.Lock()
	cached := s.conditions.known[at]
	s.conditions.mu.Unlock()
	if began.Sub(cached.read) >= cacheTime {
		var err error
		if cached, err = s.readCondition(ctx, account, id); err != nil {
			return channel.Condition{}, err
		}
		cached.read = began
		s.conditions.mu.Lock()
		if s.conditions.known == nil {
			s.conditions.known = map[[2]string]cachedCondition{}
		}
		s.conditions.known[at] = cached
		s.conditions.mu.Unlock()
	}
	return cached.condition.At(began.UnixMilli()), nil
}

func (s *Store) readCondition(ctx context.Context, account, id string) (cachedCondition, error) {
	c := channel.Condition{Account: account, Channel: id}
	shard := s.shards.Account(account)
	states, err := s.States(ctx, shard, channel.Key(account, id))
	if err != nil || states[0] == nil {
		return cachedCondition{condition: c}, err
	}
	if err := json.Unmarshal(states[0], &c); err != nil {
		return cachedCondition{}, fmt.Errorf("read a channel's condition: %w", err)
	}
	p, err := s.readPortfolio(ctx, account, c.Portfolio)
	c.Join(p)
	return cachedCondition{condition: c}, err
}

func (s *Store) readPortfolio(ctx context.Context, account, portfolio string) (channel.Portfolio, error) {
	var p channel.Portfolio
	states, err := s.States(ctx, s.shards.Account(account), channel.PortfolioKey(account, portfolio))
	if err != nil || states[0] == nil {
		return p, err
	}
	if err := json.Unmarshal(states[0], &p); err != nil {
		return p, fmt.Errorf("read a portfolio: %w", err)
	}
	return p, nil
}
