package store

import (
	"bytes"
	"context"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// cacheTime is how long an account may be kept in memory.
const cacheTime = time.Second

// cachedAccount is an account's state and what was made of it.
type cachedAccount struct {
	state   []byte
	lexicon *optout.Lexicon
	read    time.Time
}

// Account reads an account as it is now, so that whoever has just changed it sees that. An account that was never declared
// is fault.NotFound.
func (s *Store) Account(ctx context.Context, id string) (optout.Account, error) {
	l, err := s.known(ctx, id, 0)
	if err != nil {
		return optout.Account{}, err
	}
	return l.Account, nil
}

// Lexicon reads an account with its keywords, at most a second old, so that nearly every message is compared with them
// without a question to Redis. Where the view may be behind it refuses with fault.NotCertain: "no keyword" must be certain.
func (s *Store) Lexicon(ctx context.Context, id string) (*optout.Lexicon, error) {
	return s.known(ctx, id, cacheTime)
}

// known gives what is known of an account, at most so old. What was made of its state stands as long as the state does.
func (s *Store) known(ctx context.Context, id string, age time.Duration) (*optout.Lexicon, error) {
	s.mu.Lock()
	cached := s.accounts[id]
	s.mu.Unlock()
	began := time.Now()
	if began.Sub(cached.read) < age {
		return cached.lexicon, nil
	}
	states, err := s.States(ctx, s.shards.Account(id), optout.AccountKey(id))
	if err != nil {
		return nil, err
	}
	if states[0] == nil {
		return nil, fault.New(fault.NotFound, "unknown_account", "There is no account %q.", id)
	}
	if !bytes.Equal(states[0], cached.state) {
		cached.state = states[0]
		if cached.lexicon, err = optout.NewLexicon(states[0]); err != nil {
			return nil, err
		}
	}
	cached.read = began
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[id].read.Before(began) {
		s.accounts[id] = cached
	}
	return cached.lexicon, nil
}
