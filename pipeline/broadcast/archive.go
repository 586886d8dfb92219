package broadcast

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// A day after its end a broadcast's rows leave Redis and its pages leave the state. Before that its runner writes them, with
// what became of each, into the broadcast's partition of outcomes, where they are kept as long as the facts are. A report that
// is asked for later is read from there, and facts that came after are folded in. A runner that is stopped meanwhile begins
// anew, and two at once each write their own: the first to say where its records stand is believed.

// KeptArchived is how long after its end a broadcast's report can be had: the retention of outcomes, and a day's margin since
// its records were written a day after the end.
const KeptArchived = 28 * 24 * time.Hour

// KindArchive is the command that says where a broadcast's rows stand in outcomes.
const KindArchive = "broadcast.archive"

// Archived says where the rows of a broadcast stand, once they have left its state.
type Archived struct {
	From   int64   `json:"from"`   // offset in its partition of outcomes, before all its archived pages and all facts that are not in them
	To     int64   `json:"to"`     // offset after the last of these pages
	Pages  int     `json:"pages"`  // number of them, 0 to Pages-1, in this order
	Marks  []Mark  `json:"marks"`  // of every MarkEvery-th page, from the first on
	Counts []Count `json:"counts"` // of the rows in them
}

// Mark says where an archived page stands.
type Mark struct {
	Row    int   `json:"row"`    // number of its first row
	Offset int64 `json:"offset"` // in outcomes
}

// MarkEvery is how many pages lie between two marks.
const MarkEvery = 20

// Row gives the number of the last marked page that begins no later than a row, and where it stands.
func (a Archived) Row(row int) (page int, at Mark) {
	n, there := slices.BinarySearchFunc(a.Marks, row, func(m Mark, row int) int { return cmp.Compare(m.Row, row) })
	if !there {
		n--
	}
	return a.mark(n)
}

// Page gives the number of the last marked page that is not after a page, and where it stands.
func (a Archived) Page(page int) (marked int, at Mark) { return a.mark(page / MarkEvery) }

func (a Archived) mark(n int) (page int, at Mark) {
	if n < 0 || n >= len(a.Marks) {
		return 0, Mark{Row: 1, Offset: a.From}
	}
	return n * MarkEvery, a.Marks[n]
}

// ArchivedPage is the value of a record of outcomes that holds rows of a broadcast which is long over.
type ArchivedPage struct {
	V         int           `json:"v"`
	Kind      string        `json:"kind"` // "archive"
	Account   string        `json:"account"`
	Broadcast string        `json:"broadcast"`
	Page      int           `json:"page"`
	Rows      []ArchivedRow `json:"rows"`
	Repeats   []Repeat      `json:"repeats,omitempty"`
}

// archiveKind is the kind of an ArchivedPage.
const archiveKind = "archive"

// ArchivedRow is a recipient and what became of it.
type ArchivedRow struct {
	N     int    `json:"n"`
	To    string `json:"to,omitempty"` // as reports show it
	Given string `json:"given,omitempty"`
	Line  int    `json:"line"`
	Outcome
}

// Archive gives what is kept of a row for its report.
func Archive(r Row, o Outcome) ArchivedRow {
	row := ArchivedRow{N: r.N, Given: r.Given, Line: r.Line, Outcome: o}
	if row.Line == 0 {
		row.Line = r.N
	}
	if r.To != "" {
		row.To = r.To.Shown()
	}
	return row
}

// ParseArchivedPage reads a record of a broadcast's partition of outcomes; nil where it is no page of this broadcast.
func ParseArchivedPage(r Ref, record stream.Record) (*ArchivedPage, error) {
	if string(record.Key) != r.ID || record.Header(stream.HeaderType) != stream.TypeArchive {
		return nil, nil //nolint:nilnil // most records are none
	}
	var p ArchivedPage
	if err := json.Unmarshal(record.Value, &p); err != nil {
		return nil, fmt.Errorf("archived page: %w", err)
	}
	if p.V > stream.Version {
		return nil, fmt.Errorf("archived page of version %d: %w", p.V, stream.ErrVersion)
	}
	if p.Account != r.Account || p.Broadcast != r.ID {
		return nil, nil //nolint:nilnil // another account's broadcast of this name
	}
	return &p, nil
}

// archives reads what became of rows; fault.NotCertain where that is being put together again.
type archives interface {
	Rows(ctx context.Context, b Broadcast, numbers []int) ([]Outcome, error)
}

// archiving is what was last said of a broadcast whose rows stand in outcomes. No state has it.
const archiving Status = "archiving"

// archiveAtOnce bounds the pages of one step.
const archiveAtOnce = 4

// archival is how far a runner is with writing a broadcast's rows.
type archival struct {
	Archived
	counts map[Count]int
}

// archive brings a broadcast that is long over some pages nearer to standing in outcomes; done says that it does.
func (r *Runner) archive(ctx context.Context, b *run) (done bool, err error) {
	switch {
	case b.Archived != nil, r.Archive == nil:
		return true, nil
	case b.said == archiving && r.Now().Sub(b.saidAt) < sayAgain:
		return false, nil
	case b.archival == nil:
		b.archival = &archival{Archived: Archived{From: r.tail, To: r.tail}, counts: map[Count]int{}}
	}
	a := b.archival
	var records []*stream.Record
	for a.Pages < len(b.Pages) && len(records) < archiveAtOnce {
		record, err := r.archivedPage(ctx, b, a)
		if err != nil {
			b.archival = nil
			return false, err
		}
		records = append(records, record)
		a.Pages++
	}
	if len(records) > 0 {
		if err := r.Publisher.Publish(ctx, records...); err != nil {
			b.archival = nil // some of them may stand there, and nobody knows where
			return false, fmt.Errorf("archive a broadcast: %w", err)
		}
		for i, record := range records {
			if page := a.Pages - len(records) + i; page%MarkEvery == 0 {
				a.Marks = append(a.Marks, Mark{Row: b.first(page), Offset: record.Offset})
			}
			a.To = max(a.To, record.Offset+1)
		}
		return false, nil
	}
	return false, r.sayArchived(ctx, b)
}

// archivedPage gives the record of the next page.
func (r *Runner) archivedPage(ctx context.Context, b *run, a *archival) (*stream.Record, error) {
	of := b.Rows()
	states, err := r.States.States(ctx, of.Shard(r.Shards), of.PageKey(a.Pages))
	if err != nil {
		return nil, fmt.Errorf("read a page: %w", err)
	}
	first := b.first(a.Pages)
	var page Page
	if json.Unmarshal(states[0], &page) != nil || len(page.Rows) != b.Pages[a.Pages] {
		page = Page{} // what became of its rows is known all the same
		for n := range b.Pages[a.Pages] {
			page.Rows = append(page.Rows, Row{N: first + n})
		}
	}
	numbers := make([]int, len(page.Rows))
	for i := range numbers {
		numbers[i] = first + i
	}
	outcomes, err := r.Archive.Rows(ctx, b.Broadcast, numbers)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	kept := ArchivedPage{
		V: stream.Version, Kind: archiveKind, Account: b.Account, Broadcast: b.ID, Page: a.Pages, Repeats: page.Repeats,
	}
	for i, row := range page.Rows {
		o := outcomes[i]
		kept.Rows = append(kept.Rows, Archive(row, o))
		if o.Status != "" {
			a.counts[classOf(a.counts, o)]++
		}
	}
	value, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("archived page: %w", err)
	}
	id := fmt.Sprintf("%s/archive/%d", b.ID, a.Pages)
	return &stream.Record{
		Topic: stream.Outcomes, Partition: r.Shard, Key: []byte(b.ID), Value: value,
		Headers: stream.CloudEvent(stream.TypeArchive, b.Account, id, r.Now().UnixMilli()),
	}, nil
}

// first gives the number of a page's first row.
func (p Plan) first(page int) int {
	first := 1
	for _, n := range p.Pages[:page] {
		first += n
	}
	return first
}

type archiveBody struct {
	ID string `json:"id"`
	Archived
}

func (b archiveBody) target() string { return b.ID }
func (b archiveBody) fits() bool     { return b.From >= 0 && b.To >= b.From && b.Pages >= 0 }

func (r *Runner) sayArchived(ctx context.Context, b *run) error {
	body := archiveBody{ID: b.ID, Archived: b.archival.Archived}
	for c, n := range b.archival.counts {
		c.N = n
		body.Counts = append(body.Counts, c)
	}
	slices.SortFunc(body.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Error, b.Error), cmp.Compare(a.List, b.List))
	})
	c, err := command(b.Ref(), fmt.Sprintf("%s.archive.%d", b.ID, body.To), KindArchive, r.Now().UnixMilli(), body)
	if err != nil {
		return err
	}
	if err := r.tell(ctx, c); err != nil {
		return err
	}
	b.said, b.saidAt = archiving, r.Now()
	return nil
}

// classOf gives what an outcome counts as.
func classOf(counts map[Count]int, o Outcome) Count {
	c := Count{Status: o.Status, Error: o.Error, List: o.List}
	if counts[c] == 0 && len(counts) >= MaxCounts && c.Error != "" {
		c.Error = Others(c.Error)
	}
	return c
}

// foldArchive notes where the rows stand. The first to say so is believed: others wrote the same.
func foldArchive(t *shard.Turn, r Ref, body archiveBody) error {
	var b Broadcast
	there, err := t.Get(r.Key(), &b)
	if err != nil || !there || !b.Status.Over() || b.Archived != nil || body.Pages != len(b.Pages) {
		return err
	}
	b.Archived, b.Message = &body.Archived, Message{}
	if b.pages() == 0 {
		b.Pages = nil // an audience's
	}
	return t.Put(r.Key(), b)
}

// tidy lets go of the pages of a broadcast whose rows stand in outcomes, and at last of itself.
func (r *Runner) tidy(ctx context.Context, b *run) error {
	if err := r.release(ctx, b); err != nil {
		return err
	}
	if b.pages() == 0 && r.Now().Sub(time.UnixMilli(b.Ended)) <= KeptArchived {
		return nil
	}
	return r.forget(ctx, b)
}
