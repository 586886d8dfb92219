package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
)

// Bounds of a walk through a report.
const (
	rowsAtOnce  = 2000 // rows that are looked for in one call of the store
	pagesAtOnce = 4    // pages of states that are read in one
	pagesOfCall = 100  // pages of states that one call reads: rows that fit may lie far apart
)

// walk says which rows of a report are read.
type walk struct {
	filter broadcast.Filter
	from   int // number of the first
	batch  int // rows to look for at once
	pages  int // of states to read at most; 0: as many as there are
}

// reportRows reads the report of one broadcast.
type reportRows interface {
	// counts gives how many rows that have a fact share a status, an error and a list.
	counts(ctx context.Context) ([]broadcast.Count, error)
	// each gives rows in their order until visit gives errEnough or the walk has come to its bound; then next is the number
	// of the row to go on from. 0: there are no more.
	each(ctx context.Context, w walk, visit func(n int, row reportRow) error) (next int, err error)
	// repeats gives the recipients that were listed again, from a page of rows on, until visit gives errEnough or pages were
	// read (0: all); then next is the page to go on from. -1: there are no more.
	repeats(ctx context.Context, page, pages int, visit func(page, n int, r broadcast.Repeat) error) (next int, err error)
}

// rowsOf gives the report of a broadcast from wherever it stands.
func (a *API) rowsOf(b broadcast.Broadcast) reportRows {
	if b.Archived != nil {
		return archived{a, b}
	}
	return live{a, b}
}

// live is the report of a broadcast whose rows are kept.
type live struct {
	api *API
	b   broadcast.Broadcast
}

// counts waits a little for those of a broadcast that has just been cancelled before it began: nobody has had the time to open it.
func (l live) counts(ctx context.Context) ([]broadcast.Count, error) {
	began := time.Now()
	for pause := firstLook; ; pause = min(2*pause, longestToLook) {
		counts, err := l.api.Broadcast.Rows.RowCounts(ctx, l.b)
		if fault.KindOf(err) != fault.NotCertain || l.b.Started != 0 || time.Since(began) > decisionTime || !shard.Sleep(ctx, pause) {
			return counts, err
		}
	}
}

func (l live) each(ctx context.Context, w walk, visit func(n int, row reportRow) error) (next int, err error) {
	for w.from <= l.b.Audience {
		numbers, err := l.find(ctx, w)
		if err != nil || len(numbers) == 0 {
			return 0, err
		}
		for len(numbers) > 0 {
			if w.pages < 0 {
				return numbers[0], nil
			}
			some, pages := l.split(numbers)
			rows, err := l.read(ctx, some, pages)
			if err != nil {
				return 0, err
			}
			for i, row := range rows {
				if !w.filter.Fits(row.Status, row.Error, row.List) && !w.filter.Everything() {
					continue // it has moved on
				}
				if err := visit(some[i], row); errors.Is(err, errEnough) {
					return some[i], nil
				} else if err != nil {
					return 0, err
				}
			}
			if w.pages > 0 {
				if w.pages -= len(pages); w.pages <= 0 {
					w.pages = -1
				}
			}
			w.from, numbers = some[len(some)-1]+1, numbers[len(some):]
		}
	}
	return 0, nil
}

// find gives the numbers of the next rows that fit.
func (l live) find(ctx context.Context, w walk) (numbers []int, err error) {
	if !w.filter.Everything() {
		return l.api.Broadcast.Rows.FindRows(ctx, l.b, w.filter, w.from, w.batch)
	}
	for n := w.from; n <= l.b.Audience && len(numbers) < w.batch; n++ {
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// split gives the first of the numbers, those that stand in few pages, and these pages.
func (l live) split(numbers []int) (some []int, pages []int) {
	page, first := l.b.Find(numbers[0])
	for i, n := range numbers {
		for page < len(l.b.Pages) && n >= first+l.b.Pages[page] {
			first += l.b.Pages[page]
			page++
		}
		if len(pages) == 0 || pages[len(pages)-1] != page {
			if len(pages) == pagesAtOnce {
				return numbers[:i], pages
			}
			pages = append(pages, page)
		}
	}
	return numbers, pages
}

// read reads rows, which stand in these pages.
func (l live) read(ctx context.Context, numbers, pages []int) ([]reportRow, error) {
	read, err := l.pages(ctx, pages)
	if err != nil {
		return nil, err
	}
	outcomes, err := l.api.Broadcast.Rows.Rows(ctx, l.b, numbers)
	if err != nil {
		return nil, err
	}
	byNumber := map[int]broadcast.Row{}
	for _, p := range read {
		for _, r := range p.Rows {
			byNumber[r.N] = r
		}
	}
	rows := make([]reportRow, len(numbers))
	for i, n := range numbers {
		r, there := byNumber[n]
		if !there {
			return nil, errRowsGone()
		}
		rows[i] = reported(l.b, broadcast.Archive(r, outcomes[i]))
	}
	return rows, nil
}

// pages reads pages of states, wherever they stand.
func (l live) pages(ctx context.Context, numbers []int) ([]broadcast.Page, error) {
	of := l.b.Rows()
	keys := make([]string, len(numbers))
	for i, n := range numbers {
		keys[i] = of.PageKey(n)
	}
	states, err := l.api.States.States(ctx, of.Shard(l.api.Shards), keys...)
	if err != nil {
		return nil, err
	}
	pages := make([]broadcast.Page, len(states))
	for i, state := range states {
		if state == nil || json.Unmarshal(state, &pages[i]) != nil {
			return nil, errRowsGone()
		}
	}
	return pages, nil
}

func errRowsGone() error {
	return fault.New(fault.NotFound, "not_found", "The rows of this broadcast are no longer kept.")
}

func (l live) repeats(ctx context.Context, page, pages int, visit func(page, n int, r broadcast.Repeat) error) (next int, err error) {
	end := len(l.b.Pages)
	if l.b.Duplicates == 0 {
		return -1, nil
	}
	if pages > 0 {
		end = min(end, page+pages)
	}
	for ; page < end; page++ {
		read, err := l.pages(ctx, []int{page})
		if err != nil {
			return 0, err
		}
		for i, r := range read[0].Repeats {
			if err := visit(page, i, r); errors.Is(err, errEnough) {
				return page, nil
			} else if err != nil {
				return 0, err
			}
		}
	}
	if page < len(l.b.Pages) {
		return page, nil
	}
	return -1, nil
}

// reportRow is one recipient in a report.
type reportRow struct {
	To        string      `json:"to"`
	Given     string      `json:"given"`
	Status    chat.Status `json:"status"`
	Error     string      `json:"error"`
	List      string      `json:"list"`
	Reason    string      `json:"reason"`
	MessageID string      `json:"message_id"`
	Updated   string      `json:"updated_at"`
	Line      int         `json:"line"`
	Sent      string      `json:"sent_at"`
	Delivered string      `json:"delivered_at"`
	Read      string      `json:"read_at"`
	Failed    string      `json:"failed_at"`
}

func reported(b broadcast.Broadcast, r broadcast.ArchivedRow) reportRow {
	row := reportRow{
		To: r.To, Given: r.Given, Status: r.Shown(), Error: r.Error, List: r.List, Reason: r.Reason, MessageID: r.MessageID, Updated: instant(r.At),
		Line: r.Line, Sent: instant(r.Sent), Delivered: instant(r.Delivered), Read: instant(r.Read), Failed: instant(r.Failed),
	}
	if r.Status == "" {
		row.Updated = instant(b.Created)
	}
	return row
}
