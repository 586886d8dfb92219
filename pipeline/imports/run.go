package imports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Importer reads files and has their people decided.
type Importer struct {
	Shards    chat.Shards
	Directory *chat.Directory
	Publisher stream.Publisher
	States    states
	Answers   answers
	Now       func() time.Time
}

// states reads states of a shard: nil where there is none, fault.NotCertain where nobody can know.
type states interface {
	States(ctx context.Context, shard int, keys ...string) ([][]byte, error)
}

// answers tells what the fold of a command said, once its shard has come past the command's offset; ok is false before.
type answers interface {
	Answer(ctx context.Context, shard int, offset int64, command string) (answer *shard.Answer, ok bool, err error)
}

// Order is one file to import.
type Order struct {
	ID      string // see ID; the same one goes on where it was broken off
	Attempt string // what nobody else calls this reading of the file
	Account optout.Account
	List    optout.List
	Terms   Terms
	Token   string
}

// How whoever reads a file waits.
const (
	sayEvery  = 5 * time.Second // that it is still read
	patience  = time.Minute     // for an owner that decides nothing
	lastWords = 5 * time.Second // to say why a reading ended
	firstLook = 2 * time.Millisecond
	slowLook  = 50 * time.Millisecond
)

// Run imports a file and gives the import as it is at the end, when every opt-out in it is in force. An error has said of the
// import that it failed, and how far it came; what was filed stays. It takes as long as the file takes to come and its shards
// to decide: parts wait for those before them, so that whoever types STOP meanwhile doesn't wait for all of them.
func (m Importer) Run(ctx context.Context, o Order, t *Table) (Import, error) {
	first, err := t.Next()
	if errors.Is(err, io.EOF) {
		return Import{}, unreadable("no_rows", "The file has no row but its header.")
	}
	if err != nil {
		return Import{}, err
	}
	i, err := m.begin(ctx, o, t)
	if err != nil {
		return i, err
	}
	r := &reading{Importer: m, order: o, now: i, table: t, done: map[int]told{}}
	if err := r.recall(ctx); err != nil {
		return i, r.give(ctx, err)
	}
	stop := r.sayOn(ctx)
	err = r.all(ctx, first)
	stop()
	if err != nil {
		return i, r.give(ctx, err)
	}
	return r.end(ctx)
}

// begin begins the import, or goes on with it.
func (m Importer) begin(ctx context.Context, o Order, t *Table) (Import, error) {
	body := begin{Import: o.ID, Terms: o.Terms, Token: o.Token, Ignored: t.Ignored()}
	return m.ask(ctx, o, "import/"+o.ID+"/"+o.Attempt, CommandBegin, body)
}

// reading is one reading of a file.
type reading struct {
	Importer

	order   Order
	now     Import // as it was at the beginning
	table   *Table
	done    map[int]told // parts that were counted before
	line    atomic.Int64
	read    int // entries
	refused []csvfile.Refusal
	pages   int // of refused rows that are full
	parts   int
}

// recall reads which parts are counted already.
func (r *reading) recall(ctx context.Context) error {
	ref := r.now.Ref()
	for n := range r.now.partPages() {
		raw, err := r.States.States(ctx, ref.Shard(r.Shards), ref.PartsKey(n))
		if err != nil {
			return err
		}
		var page parts
		if raw[0] == nil {
			continue
		}
		if err := json.Unmarshal(raw[0], &page); err != nil {
			return fmt.Errorf("parts of an import: %w", err)
		}
		for in, one := range page.Told {
			r.done[n*partsPerPage+in] = one
		}
	}
	return nil
}

// sayOn says every few seconds that the file is still read, until stop.
func (r *reading) sayOn(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; shard.Sleep(ctx, sayEvery); n++ {
			s := say{Import: r.order.ID, Attempt: r.now.Attempt, Line: int(r.line.Load())}
			_, _ = r.tell(ctx, r.order, fmt.Sprintf("%s/%d", r.now.Attempt, n), CommandProgress, s) // the next one tells again
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// all reads the file to its end, and returns once all of it is in force.
func (r *reading) all(ctx context.Context, row Row) (err error) {
	pace := newPace(ctx, r)
	defer func() { err = pace.end(err) }()
	rows := rows{
		table: r.table, terms: r.order.Terms, account: r.order.Account.ID, hasher: r.order.Account.Key.Hasher(),
		directory: r.Directory, made: r.now.Made,
	}
	cut := newCutter(r.Shards, r.order.ID, r.order.Terms, r.order.Terms.Feed && r.order.List.Feeds(true))
	for err == nil {
		entries, refused := rows.understand(row)
		r.line.Store(int64(row.Line))
		if err := r.refuse(pace.ctx, row.Line, refused); err != nil {
			return err
		}
		for _, e := range entries {
			if p := cut.add(e); p != nil {
				if err := pace.take(p); err != nil {
					return err
				}
			}
		}
		if r.read += len(entries) + len(refused); r.read > MaxRows {
			return fault.New(fault.TooLarge, CodeTooLarge, "The file has more than %d entries: cut it in two.", MaxRows)
		}
		row, err = r.table.Next()
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	for at := range cut.open {
		if p := cut.close(at); p != nil {
			if err := pace.take(p); err != nil {
				return err
			}
		}
	}
	r.parts = cut.next
	return r.turnPage(pace.ctx)
}

// refuse keeps refused rows.
func (r *reading) refuse(ctx context.Context, line int, reasons []string) error {
	for _, reason := range reasons {
		r.refused = append(r.refused, csvfile.Refusal{Line: line, Reason: reason})
		if len(r.refused) < RefusedPerPage {
			continue
		}
		if err := r.turnPage(ctx); err != nil {
			return err
		}
		if r.pages*RefusedPerPage >= MaxRefused {
			return fault.New(fault.Unprocessable, CodeRefused, "%d rows were refused: this seems to be no such file.", MaxRefused)
		}
	}
	return nil
}

// turnPage has the refused rows kept that are not yet, and waits for that: a file of nothing else comes no faster than others.
func (r *reading) turnPage(ctx context.Context) error {
	if len(r.refused) == 0 {
		return nil
	}
	n := r.pages
	page := NewPage(r.refused)
	r.pages, r.refused = n+1, r.refused[:0]
	if n < r.now.Pages {
		return nil
	}
	id := fmt.Sprintf("%s/refused/%d", r.now.Attempt, n)
	offset, err := r.tell(ctx, r.order, id, CommandRefused, refused{Import: r.order.ID, Number: n, Page: page})
	if err != nil {
		return err
	}
	_, err = r.decided(ctx, r.now.Ref().Shard(r.Shards), offset, id)
	return err
}

// end tells the end of the file.
func (r *reading) end(ctx context.Context) (Import, error) {
	if r.now.Status == Finished {
		if r.now.Parts != r.parts || r.now.AllPages != r.pages {
			return r.now, fault.New(fault.Unprocessable, CodeKeyReused, "%s", keyReused)
		}
		return r.now, nil
	}
	s := say{
		Import: r.order.ID, Attempt: r.now.Attempt, Line: r.table.Line(), Parts: r.parts, Pages: r.pages, Answer: true,
	}
	return r.ask(ctx, r.order, r.now.Attempt+"/end", CommandEnd, s)
}

// give says why the file is read no further, whatever ended that.
func (r *reading) give(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	code := CodeBrokenOff
	if f, ok := errors.AsType[*fault.Error](why); ok && (f.Code == CodeRefused || f.Code == CodeTooLarge) {
		code = f.Code
	}
	s := say{Import: r.order.ID, Attempt: r.now.Attempt, Line: int(r.line.Load()), Code: code}
	if _, err := r.tell(ctx, r.order, r.now.Attempt+"/fail", CommandFail, s); err != nil {
		return errors.Join(why, err) // the silence will tell
	}
	return why
}
