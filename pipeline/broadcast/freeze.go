package broadcast

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
)

// Segments evaluates segments; fault.NotCertain where nobody can know.
type Segments interface {
	Account(ctx context.Context, id string) (optout.Account, error)
	// Members gives the people of a segment who can be reached by a channel, some at a time.
	Members(ctx context.Context, s segment.Segment, channel string, each func([]chat.Identifier) error) error
	// Attributes gives what is known of people, as parameters of messages.
	Attributes(ctx context.Context, account string, ids []chat.Identifier) (map[chat.Identifier]map[string]string, error)
}

// freezeAgain is how long a segment is left alone after an attempt, whatever came of it.
const freezeAgain = 5 * time.Second

// freeze makes the people of a segment the broadcast's rows, in the background: as many as they are, the other broadcasts go on.
// Where it is broken off or another runner does the same, it begins anew.
func (r *Runner) freeze(b *run) {
	if b.busy || r.Segments == nil || r.Now().Sub(b.frozen) < freezeAgain {
		return
	}
	of, outcomes := b.Broadcast, r.tail
	r.background(b, func(ctx context.Context) func() {
		f := freezer{Runner: r, b: of, attempt: rand.Text(), outcomes: outcomes, seen: map[chat.Pseudonym]struct{}{}}
		err := f.run(ctx)
		if err != nil && ctx.Err() == nil {
			r.Logger.Warn().Int("shard", r.Shard).Str("broadcast", of.ID).Err(err).Msg("a segment's people can't be told now: again soon")
		}
		return func() { b.frozen = r.Now() }
	})
}

// freezer is one attempt.
type freezer struct {
	*Runner

	b          Broadcast
	attempt    string
	outcomes   int64 // offset before any fact about it
	hasher     *chat.Hasher
	seen       map[chat.Pseudonym]struct{}
	pages      int
	rows       []Row
	size       int // bytes of rows
	duplicates int
}

func (f *freezer) run(ctx context.Context) error {
	account, err := f.Segments.Account(ctx, f.b.Account)
	if err != nil {
		return fmt.Errorf("account of a segment: %w", err)
	}
	f.hasher = account.Key.Hasher()
	err = f.Segments.Members(ctx, *f.b.Source.Segment, f.b.Channel, func(ids []chat.Identifier) error { return f.add(ctx, ids) })
	if err != nil {
		return fmt.Errorf("people of a segment: %w", err)
	}
	if err := f.flush(ctx); err != nil {
		return err
	}
	c, err := command(f.b.Ref(), f.attempt+".frozen", KindFrozen, f.Now().UnixMilli(),
		frozenBody{ID: f.b.ID, Attempt: f.attempt, Pages: f.pages, Duplicates: f.duplicates, Outcomes: f.outcomes})
	if err != nil {
		return err
	}
	return f.tell(ctx, c)
}

// add gives people rows, each once, with those of their attributes that the message needs. Who has no address that the channel
// can write to has none.
func (f *freezer) add(ctx context.Context, ids []chat.Identifier) error {
	known := map[chat.Identifier]map[string]string{}
	if len(f.b.Message.Names()) > 0 {
		var err error
		if known, err = f.Segments.Attributes(ctx, f.b.Account, ids); err != nil {
			return fmt.Errorf("attributes: %w", err)
		}
	}
	for _, id := range ids {
		if id.Kind() != chat.KindPhone && id.Kind() != chat.KindBSUID {
			continue
		}
		who := f.hasher.Pseudonym(id)
		if _, again := f.seen[who]; again {
			f.duplicates++
			continue
		}
		f.seen[who] = struct{}{}
		if err := f.put(ctx, Row{To: id, Pseudonym: who, Given: id.Shown()}, known[id]); err != nil {
			return err
		}
	}
	return nil
}

func (f *freezer) put(ctx context.Context, row Row, known map[string]string) error {
	row.N = len(f.seen)
	if missing := f.b.Message.Missing(known); missing != "" {
		row.Error = MissingParameter + missing
	} else if names := f.b.Message.Names(); len(names) > 0 {
		row.Params = make(map[string]string, len(names))
		for _, name := range names {
			row.Params[name] = known[name]
		}
	}
	written, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("row of a broadcast: %w", err)
	}
	if len(f.rows) == pageRows || len(f.rows) > 0 && f.size+len(written) > pageBytes {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	f.rows, f.size = append(f.rows, row), f.size+len(written)+1
	return nil
}

// flush sends what is gathered as the next page.
func (f *freezer) flush(ctx context.Context) error {
	if len(f.rows) == 0 {
		return nil
	}
	c, err := command(f.b.Ref(), fmt.Sprintf("%s.%d", f.attempt, f.pages), KindFreeze, f.Now().UnixMilli(),
		freezeBody{ID: f.b.ID, Attempt: f.attempt, Page: f.pages, Rows: f.rows})
	if err != nil {
		return err
	}
	f.pages++
	f.rows, f.size = nil, 0
	return f.tell(ctx, c)
}
