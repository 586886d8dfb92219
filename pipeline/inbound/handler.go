// Package inbound understands what webhooks bring: it routes each item to its channel, hears stop words, and says what is
// to be decided (commands), told (events) and reported (outcomes). It decides nothing itself and forgets nothing: what it
// can't understand goes to dead, a stop word in it all the same to the owners.
package inbound

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// Handler handles the records of inbound. All fields but Metrics are set at birth; Handle may be called at once for
// different partitions.
type Handler struct {
	Decode    func(value []byte) (chat.Inbound, error) // understands one record
	Salvage   func(value []byte) (chat.Inbound, bool)  // finds sender and words in one that Decode refuses
	Directory *chat.Directory
	Accounts  accounts
	Words     words
	Sent      sent
	Publisher stream.Publisher
	Shards    chat.Shards
	Now       func() time.Time
	Logger    zerolog.Logger
	Metrics   metrics

	ties recent
}

// accounts gives an account's state, at most a second old. Its error means that nobody can know now.
type accounts interface {
	Account(ctx context.Context, id string) (optout.Account, error)
}

// words gives what folded words mean to an account's lists; those without a meaning are missing. Its error means that
// nobody can know now, which is never the same as "no keyword".
type words interface {
	Keywords(ctx context.Context, account string, words []string) (map[string][]optout.Match, error)
}

// sent gives what was given to Meta with messages of ours, by message id, for receipts that come without it; those not known
// are missing.
type sent interface {
	Callbacks(ctx context.Context, account string, messageIDs []string) (map[string]string, error)
}

// metrics counts what was handled.
type metrics interface {
	Item(kind string, age time.Duration) // handled, so long after ingress took it
	Dead(reason string)
	DeadMessage() // what went to dead may hold a message of a person's
}

// Handle handles a batch of one partition: it returns nil once everything that follows from it is kept, so that its
// offsets may be committed. An error means that the batch has to come again: nothing is certain now, or Kafka is away.
// What comes again has the same ids. One bad record never harms its neighbours.
func (h *Handler) Handle(ctx context.Context, batch []stream.Record) error {
	items := make([]*item, len(batch))
	for i, r := range batch {
		if v, err := strconv.Atoi(r.Header("v")); err == nil && v > stream.Version {
			return fmt.Errorf("inbound record of version %d: %w", v, stream.ErrVersion)
		}
		items[i] = h.understand(r)
	}
	known, err := h.ask(ctx, items)
	if err != nil {
		return err
	}
	if err := h.trace(ctx, items); err != nil {
		return err
	}
	var follows []*stream.Record
	for _, it := range items {
		follows = append(follows, h.follows(it, known[it.channel.Account])...)
	}
	if err := h.Publisher.Publish(ctx, follows...); err != nil {
		return fmt.Errorf("publish what follows from inbound: %w", err)
	}
	for _, it := range items {
		h.done(it)
	}
	return nil
}

// knowledge is what a batch has to know of one account.
type knowledge struct {
	account  optout.Account
	keywords map[string][]optout.Match
}

// ask reads the accounts of a batch and looks the words of its messages up, once for each account.
func (h *Handler) ask(ctx context.Context, items []*item) (map[string]knowledge, error) {
	said := map[string][]string{}
	for _, it := range items {
		if it.channel.Account != "" {
			said[it.channel.Account] = append(said[it.channel.Account], it.words...)
		}
	}
	known := make(map[string]knowledge, len(said))
	for id, words := range said {
		account, err := h.Accounts.Account(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", id, err)
		}
		k := knowledge{account: account}
		if len(words) > 0 {
			if k.keywords, err = h.Words.Keywords(ctx, id, words); err != nil {
				return nil, fmt.Errorf("keywords of account %s: %w", id, err)
			}
		}
		known[id] = k
	}
	return known, nil
}

// trace finds the messages of receipts that don't say themselves which they are about.
func (h *Handler) trace(ctx context.Context, items []*item) error {
	mute := map[string][]*item{}
	for _, it := range items {
		if r := it.in.Receipt; r != nil && r.Callback == "" && it.channel.Account != "" && it.in.MessageID != "" {
			mute[it.channel.Account] = append(mute[it.channel.Account], it)
		}
	}
	for account, receipts := range mute {
		ids := make([]string, len(receipts))
		for i, it := range receipts {
			ids[i] = it.in.MessageID
		}
		found, err := h.Sent.Callbacks(ctx, account, ids)
		if err != nil {
			return fmt.Errorf("messages of receipts: %w", err)
		}
		for _, it := range receipts {
			it.in.Receipt.Callback = found[it.in.MessageID]
		}
	}
	return nil
}

// follows gives all records that one item causes. If that panics or fails, the item goes to dead and causes nothing else.
func (h *Handler) follows(it *item, k knowledge) (records []*stream.Record) {
	defer func() {
		if p := recover(); p != nil {
			it.fail(reasonHandler, panicked(p))
			records = []*stream.Record{it.letter()}
		}
	}()
	records, err := h.consequences(it, k)
	if err != nil {
		it.fail(reasonHandler, err)
		return []*stream.Record{it.letter()}
	}
	if it.reason != "" {
		records = append(records, it.letter())
	}
	return records
}

func (h *Handler) consequences(it *item, k knowledge) (records []*stream.Record, err error) {
	switch {
	case it.reason != "" && !it.salvaged:
		return nil, nil
	case it.channel.Account != "":
		if records, err = h.consent(it, k); err != nil {
			return nil, err
		}
		if fact, ok := h.fact(it); ok {
			record, err := h.report(fact)
			if err != nil {
				return nil, err
			}
			records = append(records, record)
		}
	}
	event, err := h.event(it, k.account.Key)
	if err != nil {
		return nil, err
	}
	return append(records, event), nil
}

// done counts an item, says it in one line without anything personal, and remembers the ties that are kept by now.
func (h *Handler) done(it *item) {
	now := h.Now()
	age := now.Sub(it.received)
	h.Metrics.Item(string(it.in.Kind), age)
	if it.tie != "" {
		h.ties.add(it.tie, now)
	}
	level := zerolog.DebugLevel
	switch {
	case it.alarm:
		level = zerolog.ErrorLevel
	case it.reason != "":
		level = zerolog.WarnLevel
	case it.change != "":
		level = zerolog.InfoLevel
	}
	if it.reason != "" {
		h.Metrics.Dead(it.reason)
	}
	if it.alarm {
		h.Metrics.DeadMessage()
	}
	h.Logger.WithLevel(level).
		Str("account", it.channel.Account).Str("channel", it.channel.ID).Str("kind", string(it.in.Kind)).
		Int("partition", it.record.Partition).Int64("offset", it.record.Offset).Dur("age", age).
		Int("identifiers", len(it.in.Who)).Bool("acts", it.in.Acts).Bool("salvaged", it.salvaged).
		Str("change", it.change).Strs("lists", it.lists).Bool("linked", it.linked).Bool("reported", it.reported).
		Str("dead", it.reason).AnErr("cause", it.err).
		Msg("item handled")
}
