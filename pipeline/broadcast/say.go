package broadcast

import (
	"context"
	"fmt"
	"strconv"

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

// say asks for another status, and again after a while in which it has not come.
func (r *Runner) say(ctx context.Context, b *run, status Status) error {
	if b.said == status && r.Now().Sub(b.saidAt) < sayAgain {
		return nil
	}
	c, err := StatusCommand(b.Ref(), status, r.Now().UnixMilli())
	if status == Running {
		c, err = startCommand(b.Ref(), r.Now().UnixMilli())
	}
	if err != nil {
		return err
	}
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
	if b.said == forgetting && r.Now().Sub(b.saidAt) < sayAgain {
		return nil
	}
	if err := r.Report.DropRows(ctx, r.Shard, b.Ref()); err != nil {
		return fmt.Errorf("drop rows: %w", err)
	}
	id := b.ID + ".forget." + strconv.Itoa(b.pages())
	c, err := command(b.Ref(), id, KindForget, r.Now().UnixMilli(), forgetBody{ID: b.ID, Pages: b.pages()})
	if err != nil {
		return err
	}
	if err := r.tell(ctx, c); err != nil {
		return err
	}
	b.said, b.saidAt = forgetting, r.Now()
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
