package api

import (
	"context"
	"errors"
	"maps"
	"slices"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// archived is the report of a broadcast whose rows stand in outcomes. Its pages are read one after another, and what was told
// after they were written is folded in.
type archived struct {
	api *API
	b   broadcast.Broadcast
}

// counts gives what was counted when the pages were written, and moves the rows that something was told of since.
func (a archived) counts(ctx context.Context) ([]broadcast.Count, error) {
	late, err := a.api.late.of(ctx, a.api, a.b)
	if err != nil || len(late) == 0 {
		return a.b.Archived.Counts, err
	}
	counts := map[broadcast.Count]int{}
	for _, c := range a.b.Archived.Counts {
		counts[broadcast.Count{Status: c.Status, Error: c.Error, List: c.List}] = c.N
	}
	err = a.rows(ctx, slices.Sorted(maps.Keys(late)), func(row broadcast.ArchivedRow) {
		move(counts, row.Outcome, folded(row, late[row.N]).Outcome)
	})
	var all []broadcast.Count
	for c, n := range counts {
		if c.N = n; n > 0 {
			all = append(all, c)
		}
	}
	return all, err
}

// folded takes later facts into a row.
func folded(row broadcast.ArchivedRow, late []chat.Fact) broadcast.ArchivedRow {
	for _, f := range late {
		row.Outcome = row.Fold(f)
	}
	return row
}

// move counts a row as what it is now.
func move(counts map[broadcast.Count]int, was, is broadcast.Outcome) {
	from := broadcast.Count{Status: was.Status, Error: was.Error, List: was.List}
	if counts[from] == 0 {
		from.Error = broadcast.Others(from.Error)
	}
	if was.Status != "" {
		counts[from]--
	}
	if is.Status != "" {
		counts[broadcast.Count{Status: is.Status, Error: is.Error, List: is.List}]++
	}
}

func (a archived) each(ctx context.Context, w walk, visit func(n int, row reportRow) error) (next int, err error) {
	late, err := a.api.late.of(ctx, a.api, a.b)
	if err != nil {
		return 0, err
	}
	page, at := a.b.Archived.Row(w.from)
	read := 0
	err = a.pages(ctx, page, at, func(p *broadcast.ArchivedPage) error {
		for _, r := range p.Rows {
			if r.N < w.from {
				continue
			}
			if w.pages > 0 && read == w.pages {
				next = r.N
				return errEnough
			}
			if r = folded(r, late[r.N]); !w.filter.Everything() && !w.filter.Fits(r.Shown(), r.Error, r.List) {
				continue
			}
			if err := visit(r.N, reported(a.b, r)); err != nil {
				next = r.N
				return err
			}
		}
		read++
		return nil
	})
	return next, err
}

func (a archived) repeats(ctx context.Context, page, pages int, visit func(page, n int, r broadcast.Repeat) error) (next int, err error) {
	next = -1
	from, at := a.b.Archived.Page(page)
	read := 0
	err = a.pages(ctx, from, at, func(p *broadcast.ArchivedPage) error {
		if p.Page < page {
			return nil
		}
		if pages > 0 && read == pages {
			next = p.Page
			return errEnough
		}
		for n, r := range p.Repeats {
			if err := visit(p.Page, n, r); err != nil {
				next = p.Page
				return err
			}
		}
		read++
		return nil
	})
	return next, err
}

// rows gives rows by their numbers, which are in order.
func (a archived) rows(ctx context.Context, numbers []int, each func(broadcast.ArchivedRow)) error {
	for len(numbers) > 0 {
		before := len(numbers)
		page, at := a.b.Archived.Row(numbers[0])
		err := a.pages(ctx, page, at, func(p *broadcast.ArchivedPage) error {
			for _, r := range p.Rows {
				if len(numbers) > 0 && r.N == numbers[0] {
					each(r)
					numbers = numbers[1:]
				}
			}
			if len(numbers) == 0 {
				return errEnough
			}
			if page, _ := a.b.Archived.Row(numbers[0]); page > p.Page {
				return errEnough // it stands further on
			}
			return nil
		})
		if err != nil || len(numbers) == before {
			return err
		}
	}
	return nil
}

// pages gives the archived pages from a mark on, each once, until each gives errEnough.
func (a archived) pages(ctx context.Context, page int, at broadcast.Mark, each func(*broadcast.ArchivedPage) error) error {
	ref, to := a.b.Ref(), a.b.Archived.To
	if page >= a.b.Archived.Pages {
		return nil
	}
	err := a.api.Topics.Read(ctx, stream.Outcomes, ref.Shard(a.api.Shards), at.Offset, to, func(r stream.Record) error {
		p, err := broadcast.ParseArchivedPage(ref, r)
		if err != nil || p == nil || p.Page != page { // another runner's copy of a page
			return err
		}
		page++
		if err := each(p); err != nil {
			return err
		}
		if page == a.b.Archived.Pages {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case errors.Is(err, stream.ErrTruncated), err == nil:
		return fault.Wrap(err, fault.NotFound, "not_found", "The rows of this broadcast are no longer kept.")
	}
	return err
}
