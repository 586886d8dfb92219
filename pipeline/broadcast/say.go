package broadcast

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
)

// finish says that every row has an outcome.
func (r *Runner) finish(ctx context.Context, b *run) error {
	if b.said != Finished {
		r.Logger.Info().Int("shard", r.Shard).Str("account", b.Account).Str("broadcast", b.ID).Int("audience", b.Audience).
			Int("duplicates", b.Duplicates).Int("skipped_here", b.verdicts[gate.Skip]).Int("published_here", b.verdicts[gate.Go]).
			Int("uncertain", b.verdicts[gate.Unknown]).Int64("ms", r.Now().UnixMilli()-b.Created).Msg("broadcast finished")
	}
	return r.say(ctx, b, Finished)
}

// start says that a planned broadcast begins. One that somebody has paused meanwhile stays so. Facts about it come after those that
// were read until now: the offset noted when it was planned may be gone from outcomes before the broadcast ends.
func (r *Runner) start(ctx context.Context, b *run) error {
	if b.waits(Running, r.Now()) {
		return nil
	}
	c, err := moveCommand(b.Broadcast, Running, r.Now().UnixMilli(), statusBody{Outcomes: r.tail})
	if err != nil {
		return err
	}
	return r.ask(ctx, b, Running, c)
}

// pause says what was found that stands in a broadcast's way.
func (r *Runner) pause(ctx context.Context, b *run) error {
	if b.waits(Paused, r.Now()) {
		return nil
	}
	c, err := moveCommand(b.Broadcast, Paused, r.Now().UnixMilli(), statusBody{Pause: b.stop})
	if err != nil {
		return err
	}
	r.Logger.Warn().Int("shard", r.Shard).Str("account", b.Account).Str("broadcast", b.ID).Str("code", b.stop.Code).Str("reason", b.stop.Reason).
		Int("answered", b.answered).Int("audience", b.Audience).Msg("broadcast is paused by itself")
	return r.ask(ctx, b, Paused, c)
}

// say says that a broadcast has another status, wherever it stands.
func (r *Runner) say(ctx context.Context, b *run, status Status) error {
	if b.waits(status, r.Now()) {
		return nil
	}
	c, err := StatusCommand(b.ID+"."+string(status), b.Ref(), status, "", r.Now().UnixMilli())
	if err != nil {
		return err
	}
	return r.ask(ctx, b, status, c)
}

// waits says that a status was asked for not long ago.
func (b *run) waits(status Status, now time.Time) bool {
	return b.said == status && now.Sub(b.saidAt) < sayAgain
}

func (r *Runner) ask(ctx context.Context, b *run, status Status, c shard.Command) error {
	if err := r.tell(ctx, c); err != nil {
		return err
	}
	b.said, b.saidAt = status, r.Now()
	return nil
}

// forgetting is what was last said of a broadcast that is being forgotten. No state has it.
const forgetting Status = "forgetting"

// forget lets a broadcast go whose time is over, some pages at a time.
func (r *Runner) forget(ctx context.Context, b *run) error {
	if b.waits(forgetting, r.Now()) {
		return nil
	}
	if !b.dropped {
		if err := r.Report.DropRows(ctx, r.Shard, b.Ref()); err != nil {
			return fmt.Errorf("drop rows: %w", err)
		}
		b.dropped = true
	}
	if err := r.release(ctx, b); err != nil {
		return err
	}
	id := b.ID + ".forget." + strconv.Itoa(b.pages())
	c, err := command(b.Ref(), id, KindForget, r.Now().UnixMilli(), forgetBody{ID: b.ID, Pages: b.pages()})
	if err != nil {
		return err
	}
	return r.ask(ctx, b, forgetting, c)
}

// release says that the audience whose rows a broadcast had is needed no more. A runner that begins anew says so again.
func (r *Runner) release(ctx context.Context, b *run) error {
	if b.Source.Upload == "" || b.released {
		return nil
	}
	record, err := AudienceRelease(r.Shards, b.Rows(), b.ID, r.Now().UnixMilli())
	if err != nil {
		return err
	}
	if err := r.Publisher.Publish(ctx, record); err != nil {
		return fmt.Errorf("release an audience: %w", err)
	}
	b.released = true
	return nil
}

func (r *Runner) tell(ctx context.Context, c shard.Command) error {
	record, err := c.Record(r.Shard)
	if err != nil {
		return err
	}
	if err := r.Publisher.Publish(ctx, record); err != nil {
		return fmt.Errorf("publish %s: %w", c.Kind, err)
	}
	return nil
}
