package broadcast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"optgate/pipeline/chat"
)

// reading is how far the rows of a broadcast were read. Rows whose quiet hours it is stay behind: what is kept of them is which
// pages hold some, by their clocks, and these pages are read again when the hours are over. So rows that may go wait for none
// that may not, and a million sleepers take no more memory than the zones that they live in.
type reading struct {
	due    bitset // pages to be read
	page   int    // that is being read; -1: none
	rows   []Row  // of it
	at     int    // in rows: the next one
	first  []int  // by page: number of its first row
	ahead  map[int][]Row
	asleep map[*chat.Clock]*sleepers
	clocks chat.Clocks
}

// sleepers are the rows of one clock whose quiet hours it is.
type sleepers struct {
	pages bitset
	opens time.Time
}

const (
	pagesAhead  = 4 // read at once where there is room for their rows
	pagesAtOnce = 8 // looked through in one turn, where no row of them may go
)

func newReading(b Broadcast) reading {
	r := reading{page: -1, ahead: map[int][]Row{}, asleep: map[*chat.Clock]*sleepers{}}
	if b.Status.Over() {
		return r
	}
	first := 1
	for page, rows := range b.Pages {
		r.first = append(r.first, first)
		if first += rows; rows > 0 {
			r.due.set(page)
		}
	}
	return r
}

// wake makes the pages due whose sleepers' hours are over.
func (d *reading) wake(now time.Time) {
	for clock, s := range d.asleep {
		if !now.Before(s.opens) {
			d.due.join(s.pages)
			delete(d.asleep, clock)
		}
	}
}

var errBroken = errors.New("page is not whole")

// errNoPage says that nothing is to be read.
var errNoPage = errors.New("no page is due")

// take gives the next rows that have no fact, were not handed over and need not wait. more says that there may be others.
func (r *Runner) take(ctx context.Context, b *run, n int) (rows []Row, more bool, err error) {
	now := r.Now()
	if len(b.again) > 0 && !now.Before(b.againAt) {
		some := min(n, len(b.again))
		for _, row := range b.again[:some] {
			if b.fits(row.N) {
				rows = append(rows, row)
			}
		}
		b.again = slices.Delete(b.again, 0, some)
	}
	d := &b.reading
	d.wake(now)
	opens := map[*chat.Clock]time.Time{}
	for turned := 0; len(rows) < n && len(b.again) < askAtOnce; {
		if d.at >= len(d.rows) {
			if turned++; turned > pagesAtOnce {
				return rows, true, nil
			}
			switch err := r.turn(ctx, b, n-len(rows)); {
			case errors.Is(err, errNoPage):
				return rows, false, nil
			case err != nil:
				b.again = append(b.again, rows...)
				return nil, false, err
			}
		}
		row := d.rows[d.at]
		if d.at++; !b.fits(row.N) || r.sleeps(b, row, now, opens) {
			continue
		}
		rows = append(rows, row)
	}
	return rows, len(rows) == n, nil
}

// turn goes on to the next page that is due, reading some ahead where so many rows are wanted.
func (r *Runner) turn(ctx context.Context, b *run, wanted int) error {
	d := &b.reading
	page, ok := d.due.next(max(d.page, 0))
	if !ok {
		page, ok = d.due.next(0)
	}
	d.page, d.rows, d.at = -1, nil, 0
	if !ok {
		clear(d.ahead)
		return errNoPage
	}
	rows, ready := d.ahead[page]
	if !ready {
		if err := r.read(ctx, b, page, min(pagesAhead, 1+wanted/pageRows)); err != nil {
			return err
		}
		rows = d.ahead[page]
	}
	delete(d.ahead, page)
	d.due.clear(page)
	d.page, d.rows = page, rows
	return nil
}

// read reads a page and those that are due after it.
func (r *Runner) read(ctx context.Context, b *run, page, pages int) error {
	d, ref := &b.reading, b.Rows()
	var numbers []int
	var keys []string
	for next, ok := page, true; ok && len(keys) < pages; next, ok = d.due.next(next + 1) {
		numbers, keys = append(numbers, next), append(keys, ref.PageKey(next))
	}
	states, err := r.States.States(ctx, ref.Shard(r.Shards), keys...)
	if err != nil {
		return fmt.Errorf("read pages: %w", err)
	}
	clear(d.ahead)
	for i, state := range states {
		var p Page
		if err := json.Unmarshal(state, &p); err != nil || len(p.Rows) != b.Pages[numbers[i]] {
			if i > 0 {
				return nil // when its turn comes
			}
			return fmt.Errorf("page %d: %w", page, errBroken)
		}
		for n := range p.Rows {
			p.Rows[n].N = d.first[numbers[i]] + n
		}
		d.ahead[numbers[i]] = p.Rows
	}
	return nil
}

// sleeps leaves a row behind whose quiet hours it is, or that would be in a lane when they begin. opens holds, for this turn,
// when each clock's are over.
func (r *Runner) sleeps(b *run, row Row, now time.Time, opens map[*chat.Clock]time.Time) bool {
	if b.Quiet == nil || row.Error != "" {
		return false
	}
	clock := b.reading.clocks.For(*b.Quiet, row.To, b.allowed.channel.DefaultCountry)
	end, known := opens[clock]
	if !known {
		if end = b.Quiet.Opens(clock, now); !end.After(now) {
			if soon := now.Add(creditTime); b.Quiet.Opens(clock, soon).After(soon) {
				end = b.Quiet.Opens(clock, soon)
			}
		}
		opens[clock] = end
	}
	if !end.After(now) {
		return false
	}
	s := b.reading.asleep[clock]
	if s == nil {
		s = &sleepers{opens: end}
		b.reading.asleep[clock] = s
	}
	s.pages.set(b.reading.page)
	return true
}
