package broadcast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
)

// run is one broadcast in its runner's memory. All of it can be had again from states and outcomes.
type run struct {
	Broadcast
	known    []bool       // rows with a fact, by number
	answered int          // number of them
	open     map[int]bool // rows handed over that have no fact yet; true: to a lane, false: a fact of ours is on its way
	laned    int          // rows in a lane without a fact
	next     int          // row that nobody looked at yet
	again    []Row        // to be asked again: the gate was not certain
	againAt  time.Time
	page     int   // whose rows are in memory
	rows     []Row // of it
	said     Status
	saidAt   time.Time
	broken   bool   // a page can't be read: its rows stay queued, and expire
	verdicts [3]int // of the gate, for the log
}

func newRun(b Broadcast) *run {
	return &run{Broadcast: b, known: make([]bool, b.Audience+1), open: map[int]bool{}, next: 1, page: -1}
}

// become takes on what was decided meanwhile.
func (b *run) become(to Broadcast) {
	if b.said == forgetting && len(to.Pages) != len(b.Pages) {
		b.said = ""
	}
	b.Broadcast = to
}

// know notes that a row has a fact.
func (b *run) know(row int) {
	if row > 0 && row < len(b.known) && !b.known[row] {
		b.known[row] = true
		b.answered++
	}
	if b.open[row] {
		b.laned--
	}
	delete(b.open, row)
}

func (b *run) hand(row int, lane bool) {
	if b.open[row] {
		b.laned--
	}
	b.open[row] = lane
	if lane {
		b.laned++
	}
}

// step brings a broadcast on as far as it can go without waiting.
func (r *Runner) step(ctx context.Context, b *run) error {
	now := r.Now()
	switch {
	case b.Status.Over() && now.Sub(time.UnixMilli(b.Ended)) > Kept:
		return r.forget(ctx, b)
	case b.Status == Cancelled:
		return r.giveUp(ctx, b, chat.Cancelled)
	case b.Status == Finished:
		return nil
	case b.answered == b.Audience:
		return r.finish(ctx, b)
	case now.UnixMilli() >= b.EndsAt:
		return r.giveUp(ctx, b, chat.Expired)
	case b.Status == Paused, b.broken:
		return nil
	}
	if b.Status == Planned {
		if err := r.say(ctx, b, Running); err != nil {
			return err
		}
	}
	room := r.credit(b) - b.laned
	if room <= 0 {
		return nil
	}
	rows, err := r.take(ctx, b, min(room, askAtOnce))
	if errors.Is(err, errBroken) {
		b.broken = true
		r.Logger.Error().Int("shard", r.Shard).Str("broadcast", b.ID).Err(err).Msg("broadcast can't go on")
		return nil
	}
	if err != nil || len(rows) == 0 {
		return err
	}
	if err := r.handOver(ctx, b, rows); err != nil {
		b.again = append(b.again, rows...)
		return err
	}
	return nil
}

var errBroken = errors.New("page is not whole")

// credit is how many messages may be in the lanes: none where the channel is no longer declared, so that they wait.
func (r *Runner) credit(b *run) int {
	declared, ok := r.Directory.Channel(b.Account, b.Channel)
	if !ok {
		return 0
	}
	return max(1, min(r.Credit, int(channel.Rate(declared, channel.Condition{})*creditTime.Seconds())))
}

// take gives the next rows that have no fact and were not handed over.
func (r *Runner) take(ctx context.Context, b *run, n int) (rows []Row, err error) {
	fits := func(row Row) bool {
		_, open := b.open[row.N]
		return !b.known[row.N] && !open
	}
	if len(b.again) > 0 && !r.Now().Before(b.againAt) {
		some := min(n, len(b.again))
		for _, row := range b.again[:some] {
			if fits(row) {
				rows = append(rows, row)
			}
		}
		b.again = slices.Delete(b.again, 0, some)
	}
	for len(rows) < n && b.next <= b.Audience && len(b.again) < askAtOnce {
		if b.known[b.next] {
			b.next++
			continue
		}
		row, err := r.row(ctx, b, b.next)
		if err != nil {
			b.again = append(b.again, rows...)
			return nil, err
		}
		b.next++
		if fits(row) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// row gives a row by its number. The page that it stands in stays in memory.
func (r *Runner) row(ctx context.Context, b *run, n int) (Row, error) {
	page, first := b.Find(n)
	if page != b.page {
		read, err := r.States.States(ctx, r.Shard, b.Ref().PageKey(page))
		if err != nil {
			return Row{}, fmt.Errorf("read a page: %w", err)
		}
		var p Page
		if err := json.Unmarshal(read[0], &p); err != nil || len(p.Rows) != b.Pages[page] {
			return Row{}, fmt.Errorf("page %d: %w", page, errBroken)
		}
		b.page, b.rows = page, p.Rows
	}
	return b.rows[n-first], nil
}
