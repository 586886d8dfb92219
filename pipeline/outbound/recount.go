package outbound

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Recount counts anew whom portfolios have reached, after Redis has lost it: out of the intents of all lanes, since whatever
// was or is being called has one. A call that no intent stood for when they were read looks again before it begins (run.sure).
type Recount struct {
	Lanes     int // partitions of each kind
	Reader    shard.Reader
	Since     func(ctx context.Context, topic stream.Topic, partition int, t time.Time) (offset int64, err error) // the first offset from a time on
	Directory *chat.Directory
	Counts    recounts
	Log       zerolog.Logger

	wanted chan portfolio
}

// recounts is the memory that is filled. All but BeginTier fail where it was lost meanwhile, or somebody else fills it by now.
type recounts interface {
	BeginTier(ctx context.Context, account, portfolio, token string) (bool, error)
	LoadTier(ctx context.Context, account, portfolio, token string, people map[chat.Pseudonym]time.Time) error
	EndTier(ctx context.Context, account, portfolio, token string) error
}

// portfolio names one among those of all accounts.
type portfolio struct{ account, id string }

const (
	recountsWaiting = 64
	loadAtOnce      = 1000
	saysAgain       = 5 * time.Second // that there is more to come
)

// NewRecount makes a Recount; Run does its work.
func NewRecount(r Recount) *Recount {
	r.wanted = make(chan portfolio, recountsWaiting)
	return &r
}

// Lost says that a portfolio's people have to be counted anew. It doesn't wait; who isn't heard may say it again.
func (c *Recount) Lost(account, id string) {
	select {
	case c.wanted <- portfolio{account, id}:
	default:
	}
}

// Run counts anew what is said to be lost, until ctx ends. Of all processes one counts a portfolio.
func (c *Recount) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-c.wanted:
			if err := c.count(ctx, p); err != nil && ctx.Err() == nil {
				c.Log.Warn().Str("account", p.account).Str("portfolio", p.id).Err(err).Msg("people not counted anew: templates wait")
			}
		}
	}
}

// reached is one message that has reached a person, or may have.
type reached struct {
	person chat.Pseudonym
	at     time.Time
}

func (c *Recount) count(ctx context.Context, p portfolio) error {
	began := time.Now()
	token := rand.Text()
	if mine, err := c.Counts.BeginTier(ctx, p.account, p.id, token); err != nil || !mine {
		return err
	}
	people := map[chat.Pseudonym]time.Time{}
	for _, kind := range []Kind{Replies, Bulk} {
		for partition := range c.Lanes {
			if err := c.read(ctx, p, token, kind, partition, people); err != nil {
				return err
			}
		}
	}
	some := map[chat.Pseudonym]time.Time{}
	for who, at := range people {
		if some[who] = at; len(some) < loadAtOnce {
			continue
		}
		if err := c.Counts.LoadTier(ctx, p.account, p.id, token, some); err != nil {
			return err
		}
		clear(some)
	}
	if err := c.Counts.LoadTier(ctx, p.account, p.id, token, some); err != nil {
		return err
	}
	if err := c.Counts.EndTier(ctx, p.account, p.id, token); err != nil {
		return err
	}
	c.Log.Info().Str("account", p.account).Str("portfolio", p.id).Int("people", len(people)).Dur("took", time.Since(began)).Msg("people counted anew")
	return nil
}

// read adds whom one lane has reached in the last 24 h. An attempt that certainly handed nothing over reached nobody.
func (c *Recount) read(ctx context.Context, p portfolio, token string, kind Kind, partition int, people map[chat.Pseudonym]time.Time) error {
	_, end, err := c.Reader.Ends(ctx, kind.Intents(), partition)
	if err != nil {
		return fmt.Errorf("ends of the intents: %w", err)
	}
	from, err := c.Since(ctx, kind.Intents(), partition, time.Now().Add(-channel.Counting))
	if err != nil {
		return fmt.Errorf("where the last day's intents begin: %w", err)
	}
	open := map[string]reached{}
	said := time.Now()
	err = c.Reader.Read(ctx, kind.Intents(), partition, min(from, end), end, func(rec stream.Record) error {
		if time.Since(said) > saysAgain {
			said = time.Now()
			if err := c.Counts.LoadTier(ctx, p.account, p.id, token, nil); err != nil {
				return err
			}
		}
		m, err := parseMark(rec)
		if err != nil {
			return err
		}
		if m.Account != p.account || m.Opens && !c.belongs(m, p) {
			return nil
		}
		switch key := string(rec.Key); {
		case m.Kind == markIntent && m.Opens:
			open[key] = reached{m.Pseudonym, rec.Time}
		case m.Kind == markAgain, m.Kind == markDone && !m.Opens:
			delete(open, key)
		}
		return nil
	})
	for _, one := range open {
		if one.at.After(people[one.person]) {
			people[one.person] = one.at
		}
	}
	if err != nil {
		return fmt.Errorf("read the intents: %w", err)
	}
	return nil
}

// belongs says whether a mark's channel is of the portfolio. One that is no longer declared may have been.
func (c *Recount) belongs(m mark, p portfolio) bool {
	declared, ok := c.Directory.Channel(m.Account, m.Channel)
	return !ok || declared.Portfolio == p.id
}
