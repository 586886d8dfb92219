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
	Sent      sent
	Windows   windows   // may be nil
	Blacklist blacklist // may be nil
	Publisher stream.Publisher
	Shards    chat.Shards
	Now       func() time.Time
	Logger    zerolog.Logger
	Metrics   metrics

	ties  recent
	nears nears
}

// accounts gives what is to be known of an account, at most a second old. Its error means that nobody can know now, which
// is never the same as "no keyword".
type accounts interface {
	Lexicon(ctx context.Context, account string) (*optout.Lexicon, error)
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
	items := make([]item, len(batch))
	for i, r := range batch {
		if v := r.Header("v"); v != "1" {
			if v, err := strconv.Atoi(v); err == nil && v > stream.Version {
				return fmt.Errorf("inbound record of version %d: %w", v, stream.ErrVersion)
			}
		}
		items[i] = h.understand(r)
	}
	if err := h.ask(ctx, items); err != nil {
		return err
	}
	if err := h.trace(ctx, items); err != nil {
		return err
	}
	if err := h.block(ctx, items); err != nil {
		return err
	}
	follows := make([]*stream.Record, 0, 2*len(items))
	asked := map[tie]bool{}
	for i := range items {
		follows = append(follows, h.follows(&items[i], asked)...)
	}
	if err := h.Publisher.Publish(ctx, follows...); err != nil {
		return fmt.Errorf("publish what follows from inbound: %w", err)
	}
	h.openWindows(ctx, items)
	for tie := range asked {
		h.ties.add(tie, h.Now())
	}
	for i := range items {
		h.nears.note(&items[i], h.Now())
		h.done(&items[i])
	}
	return nil
}

// knowledge is what a batch has to know of one account.
type knowledge struct {
	*optout.Lexicon
	hash *chat.Hasher
}

// ask reads the accounts of a batch, each once.
func (h *Handler) ask(ctx context.Context, items []item) error {
	known := map[string]*knowledge{}
	for i := range items {
		id := items[i].channel.Account
		if id == "" {
			continue
		}
		k := known[id]
		if k == nil {
			lexicon, err := h.Accounts.Lexicon(ctx, id)
			if err != nil {
				return fmt.Errorf("account %s: %w", id, err)
			}
			k = &knowledge{Lexicon: lexicon, hash: lexicon.Account.Key.Hasher()}
			known[id] = k
		}
		items[i].known = k
	}
	return nil
}

// trace finds the messages of receipts that don't say themselves which they are about.
func (h *Handler) trace(ctx context.Context, items []item) error {
	mute := map[string][]*item{}
	for i := range items {
		it := &items[i]
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

// follows gives all records that one item causes, and notes the tie that they make. If that panics or fails, the item goes
// to dead and causes nothing else.
func (h *Handler) follows(it *item, asked map[tie]bool) (records []*stream.Record) {
	defer func() {
		if p := recover(); p != nil {
			it.fail(reasonHandler, panicked(p))
			records = []*stream.Record{it.letter()}
		}
	}()
	records, made, err := h.consequences(it, asked)
	if err != nil {
		it.fail(reasonHandler, err)
		return []*stream.Record{it.letter()}
	}
	if it.reason != "" {
		records = append(records, it.letter())
	}
	if made != (tie{}) {
		asked[made] = true
	}
	return records
}

func (h *Handler) consequences(it *item, asked map[tie]bool) (records []*stream.Record, made tie, err error) {
	switch {
	case it.reason != "" && !it.salvaged:
		return nil, made, nil
	case it.in.Notice != nil:
		if records, err = h.notice(it); err != nil {
			return nil, made, err
		}
	case it.known != nil:
		it.who = refs(it.known.hash, it.in)
		if records, made, err = h.consent(it, asked); err != nil {
			return nil, made, err
		}
		if fact, ok := h.fact(it); ok {
			record, err := h.report(fact)
			if err != nil {
				return nil, made, err
			}
			records = append(records, record)
		}
	}
	if it.blocked {
		return records, made, nil
	}
	return append(records, h.event(it)), made, nil
}

// done counts an item and says it in one line without anything personal.
func (h *Handler) done(it *item) {
	age := h.Now().Sub(it.received)
	h.Metrics.Item(string(it.in.Kind), age)
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
		Str("change", it.change).Strs("lists", it.lists).Bool("linked", it.linked).Bool("reported", it.reported).Bool("blocked", it.blocked).
		Str("dead", it.reason).AnErr("cause", it.err).
		Msg("item handled")
}
