package imports

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

const (
	// RehearsedRows is how many refused rows a rehearsal shows.
	RehearsedRows = 10_000
	// rehearsedAtOnce is how many people's states are held at a time.
	rehearsedAtOnce = 1000
	// rehearsedPeople bounds the memory of who was counted as added: of those beyond, somebody who stands in the file twice
	// counts as added twice.
	rehearsedPeople = 1_000_000
)

// Rehearsal is what an import would do now.
type Rehearsal struct {
	Made      int64
	Ignored   []string
	Line      int // of the file, to which it was read
	Added     int
	Known     int
	Stayed    int
	Refused   int
	Rows      []csvfile.Refusal // the first RehearsedRows of those refused
	Truncated bool              // there are more
}

// Rehearse reads a file and says what an import of it would do; nothing is written. It is certain, or a fault.NotCertain.
func (m Importer) Rehearse(ctx context.Context, o Order, t *Table) (Rehearsal, error) {
	r := rehearsal{
		Importer: m, account: o.Account.ID, list: o.Terms.List, seen: map[uint64]struct{}{},
		Rehearsal: Rehearsal{Made: m.Now().UnixMilli(), Ignored: t.Ignored(), Rows: []csvfile.Refusal{}},
	}
	rows := rows{
		table: t, terms: o.Terms, account: o.Account.ID, hasher: o.Account.Key.Hasher(), directory: m.Directory, made: r.Made,
	}
	read := 0
	for {
		row, err := t.Next()
		if errors.Is(err, io.EOF) && read == 0 {
			return r.Rehearsal, unreadable("no_rows", "The file has no row but its header.")
		}
		if errors.Is(err, io.EOF) {
			return r.Rehearsal, r.ask(ctx)
		}
		if err != nil {
			return r.Rehearsal, err
		}
		entries, refused := rows.understand(row)
		r.Line = t.Line()
		for _, reason := range refused {
			r.refuse(csvfile.Refusal{Line: row.Line, Reason: reason})
		}
		r.waiting = append(r.waiting, entries...)
		if read += len(entries) + len(refused); read > MaxRows {
			return r.Rehearsal, fault.New(fault.TooLarge, CodeTooLarge, "The file has more than %d entries: cut it in two.", MaxRows)
		}
		if len(r.waiting) >= rehearsedAtOnce {
			if err := r.ask(ctx); err != nil {
				return r.Rehearsal, err
			}
		}
	}
}

// rehearsal is one that is going on.
type rehearsal struct {
	Importer
	Rehearsal

	account, list string
	waiting       []entry
	seen          map[uint64]struct{} // who would be added on which channel
}

func (r *rehearsal) refuse(row csvfile.Refusal) {
	r.Refused++
	if len(r.Rows) < RehearsedRows {
		r.Rows = append(r.Rows, row)
	} else {
		r.Truncated = true
	}
}

// ask looks at the states of those who wait, and counts what would become of them.
func (r *rehearsal) ask(ctx context.Context) error {
	keys, places := map[int][]string{}, map[int][]int{}
	for i, e := range r.waiting {
		at := r.Shards.Of(e.who.P)
		keys[at], places[at] = append(keys[at], optout.PersonKey(r.account, e.who.P)), append(places[at], i)
	}
	people := make([]optout.Person, len(r.waiting))
	for at, wanted := range keys {
		found, err := r.States.States(ctx, at, wanted...)
		if err != nil {
			return err
		}
		for n, raw := range found {
			if raw == nil {
				continue
			}
			if err := json.Unmarshal(raw, &people[places[at][n]]); err != nil {
				return fmt.Errorf("state of a person: %w", err)
			}
		}
	}
	for i, e := range r.waiting {
		r.count(e, people[i])
	}
	r.waiting = r.waiting[:0]
	return nil
}

// count says what would become of one, as the fold of optout.Edit would.
func (r *rehearsal) count(e entry, p optout.Person) {
	var now optout.Entry
	for _, one := range p.Entries {
		if one.List == r.list && one.Channel == e.channel {
			now = one
		}
	}
	who := name(e.who.P, e.channel)
	_, again := r.seen[who]
	switch {
	case again, now.Barred():
		r.Known++
	case now.In > e.at:
		r.Stayed++
	default:
		r.Added++
		if len(r.seen) < rehearsedPeople {
			r.seen[who] = struct{}{}
		}
	}
}

func name(p chat.Pseudonym, channel string) uint64 {
	h := fnv.New64a()
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(p))
	_, _ = h.Write(number[:])
	_, _ = h.Write([]byte(channel))
	return h.Sum64()
}
