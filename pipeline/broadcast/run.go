package broadcast

import (
	"context"
	"errors"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// run is one broadcast in its runner's memory: a few bits for each row, and the rows of some pages. All of it can be had again
// from states and outcomes.
type run struct {
	Broadcast
	known    bitset // rows with a fact, by number
	answered int    // number of them
	open     bitset // rows handed over that have no fact yet
	opened   int    // number of them
	lane     bitset // of them in a lane: of the others a fact of ours is on its way
	laned    int    // number of them
	speed    speed

	reading reading
	again   []Row // to be asked again: the gate was not certain, or a medium is not there yet
	againAt time.Time
	rest    time.Time // nothing is handed over before: something could not be read
	gaveUp  int       // rows up to this one have a fact, or were handed over, or given up

	pace    pace
	allowed allowance
	tally   tally
	stop    *Pause // what was found that it must be paused for
	media   media
	frozen  time.Time // when an attempt to freeze its segment ended
	busy    bool      // something is done for it in the background

	released bool // its audience is
	said     Status
	saidAt   time.Time
	broken   bool   // a page can't be read: its rows stay queued, and expire
	verdicts [3]int // of the gate, for the log
	archival *archival
	dropped  bool // the report's rows are going
}

func newRun(b Broadcast) *run { return &run{Broadcast: b, reading: newReading(b)} }

// become takes on what was decided meanwhile.
func (b *run) become(to Broadcast) {
	moved := to.Moves != b.Moves
	if moved || b.said == forgetting && len(to.Pages) != len(b.Pages) || b.said == archiving && to.Archived != nil {
		b.said = ""
	}
	if moved {
		b.stop = nil
	}
	if to.Resumed != b.Resumed {
		b.tally = tally{} // what is told of messages that went before counts no more
	}
	begins := b.unfrozen() && to.Started > 0
	if b.Broadcast = to; begins {
		b.reading = newReading(to)
	}
}

// know notes that a row has a fact.
func (b *run) know(row int) {
	if row <= 0 || row > b.Audience {
		return
	}
	if b.known.set(row) {
		b.answered++
	}
	if b.open.clear(row) {
		b.opened--
	}
	if b.lane.clear(row) {
		b.laned--
		b.speed.answers++
	}
}

// hand notes that a row was handed over: to a lane, or as a fact of ours.
func (b *run) hand(row int, lane bool) {
	if b.open.set(row) {
		b.opened++
	}
	if lane && b.lane.set(row) {
		b.laned++
	}
}

// fits says that a row may be handed over.
func (b *run) fits(row int) bool { return !b.known.has(row) && !b.open.has(row) }

// unfrozen says that the people of its segment are not its rows yet.
func (b Broadcast) unfrozen() bool { return b.Source.Segment != nil && b.Started == 0 }

// step brings a broadcast on as far as it can go without waiting, and not for long, so that the others have their turns. more
// says that it could go on at once.
func (r *Runner) step(ctx context.Context, b *run) (more bool, err error) {
	now := r.Now()
	switch {
	case b.Status.Over() && now.Sub(time.UnixMilli(b.Ended)) > Kept:
		if done, err := r.archive(ctx, b); !done || err != nil {
			return err == nil && b.said != archiving, err
		}
		return false, r.forget(ctx, b)
	case b.Status == Cancelled:
		return r.giveUp(ctx, b, chat.Cancelled)
	case b.Status == Finished:
		return false, nil
	case b.answered == b.Audience && (!b.unfrozen() || now.UnixMilli() >= b.EndsAt):
		return false, r.finish(ctx, b)
	case now.UnixMilli() >= b.EndsAt:
		return r.giveUp(ctx, b, chat.Expired)
	case b.Status == Paused, b.broken, now.UnixMilli() < b.StartsAt, now.Before(b.rest):
		return false, nil
	case b.unfrozen():
		r.freeze(b)
		return false, nil
	}
	r.consider(ctx, b, now)
	if b.stop != nil {
		return false, r.pause(ctx, b)
	}
	if b.Status == Planned {
		if err := r.start(ctx, b); err != nil {
			return false, err
		}
	}
	if !r.fetched(b, b.media.needs(b.Message)) {
		return false, nil
	}
	return r.send(ctx, b, now)
}

// send hands over as many rows as may go now.
func (r *Runner) send(ctx context.Context, b *run, now time.Time) (more bool, err error) {
	room := min(min(b.allowed.credit(b.Broadcast), b.speed.credit(now))-b.laned, b.pace.room(b.Rate, now))
	if room <= 0 {
		return false, nil
	}
	rows, more, err := r.take(ctx, b, min(room, askAtOnce))
	switch {
	case errors.Is(err, errBroken):
		b.broken = true
		r.Logger.Error().Int("shard", r.Shard).Str("broadcast", b.ID).Err(err).Msg("broadcast can't go on")
		return false, nil
	case fault.KindOf(err) == fault.NotCertain: // of the audience's shard perhaps: other broadcasts need not wait for that
		b.rest = now.Add(retryAfter)
		return false, nil
	case err != nil || len(rows) == 0:
		return more, err
	}
	before := b.laned
	if err := r.handOver(ctx, b, rows); err != nil {
		b.again = append(b.again, rows...)
		return false, err
	}
	b.pace.used(b.laned - before)
	return more, nil
}
